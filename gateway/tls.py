"""The TLS of the TCP listener: certificate, key, and what every handshake has in common."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.settings import TcpSettings
from gateway.settings_loader import SettingsError

TICKETS: Final = 1
"""For each handshake, to resume from: a handset has one connection, and a ticket costs 255 bytes.
OpenSSL's own choice is two."""

CIPHERTEXT_BYTES: Final = 16_384 + 256 + 5
"""Most bytes of one read: a record of the largest size (RFC 8446, section 5.2). A session keeps at
most two reads of what it cannot decrypt yet."""


class Tls:
    """Makes the TLS of connections. Sessions may be resumed in the process that began them."""

    def __init__(self, certificate: str, private_key: str) -> None:
        """Both are PEM files; the certificate's holds its chain too, its own first.

        Raises:
            SettingsError: they cannot be read, do not fit, or are not valid today.
        """
        self._files = (certificate, private_key)
        self.expires_at = self._check()
        self._context = server_context(*self._files)
        self.ciphertext = memoryview(bytearray(CIPHERTEXT_BYTES))
        """Shared by all connections: each takes its bytes out before the next one reads."""

    def reload(self) -> None:
        """Read the files anew, for the connections to come. Raises like the constructor; then the
        old certificate stays.
        """
        self.expires_at = self._check()
        self._context.load_cert_chain(*self._files)

    def begin(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The TLS of one connection, on our side."""
        return self._context.wrap_bio(incoming, outgoing, server_side=True)

    def _check(self) -> datetime:
        """Until when the certificate is valid."""
        certificate, private_key = self._files
        for name, file in (("certificate", certificate), ("private_key", private_key)):
            try:
                Path(file).read_bytes()
            except OSError as error:
                raise SettingsError(f"setting tcp.{name}: {file}: {error.strerror}") from None
        try:
            return greet_ourselves(certificate, private_key)
        except ssl.SSLError as error:
            raise SettingsError(
                f"settings tcp.certificate ({certificate}) and tcp.private_key ({private_key}):"
                f" {_reason(error)}"
            ) from None


def open_tls(settings: TcpSettings) -> Tls | None:
    """The TLS of these settings; None where plaintext is what somebody wants.

    Raises:
        SettingsError: nobody has decided, or the files are of no use.
    """
    if settings.certificate:
        if settings.plaintext:
            raise SettingsError(
                "setting tcp.plaintext: true beside tcp.certificate; a port speaks one or the other"
            )
        if not settings.private_key:
            raise SettingsError("setting tcp.private_key: missing beside tcp.certificate")
        return Tls(settings.certificate, settings.private_key)
    if not settings.plaintext:
        raise SettingsError(
            "setting tcp.certificate: missing. Give tcp.certificate and tcp.private_key (PEM files)"
            " for TLS, or set tcp.plaintext = true where nobody can listen in: a private network,"
            " a VPN, a proxy that speaks TLS. Without TCP: tcp.enabled = false"
        )
    return None


def server_context(certificate: str, private_key: str) -> ssl.SSLContext:
    """TLS 1.3 only. Raises `ssl.SSLError` when the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = TICKETS
    # Never asked for at a terminal: a service would wait for ever.
    context.load_cert_chain(certificate, private_key, password=lambda: b"")
    return context


def greet_ourselves(certificate: str, private_key: str) -> datetime:
    """Play a handshake in memory, with a client that trusts this certificate alone: whether key and
    certificate fit, and when they expire. Raises `ssl.SSLError`.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False  # the client that knows the gateway's name checks it
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up)
    server = server_context(certificate, private_key).wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    peer = client.getpeercert()
    expires = ssl.cert_time_to_seconds(str(peer["notAfter"])) if peer else 0
    return datetime.fromtimestamp(expires, UTC)


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    known = {
        "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
        "BAD_DECRYPT": "the key has a password; the gateway needs one without",
    }
    return known.get(error.reason or "", error.reason or "no certificate and key in PEM format")
