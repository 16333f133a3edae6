"""Certificate and key: what is taken, what is refused, and what a new one changes."""

import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gateway.settings import TcpSettings
from gateway.settings_loader import SettingsError
from gateway.tls import Tls, open_tls
from tests.helpers.certificates import Certificate, make_certificate


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    """A certificate of this test."""
    return make_certificate(tmp_path)


def shown(tls: Tls, authority: str) -> dict[str, Any]:
    """The certificate that a client is shown in its handshake."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=authority)
    client = trusting.wrap_bio(down, up, server_hostname="127.0.0.1")
    server = tls.begin(up, down)
    for side in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()
    peer = client.getpeercert()
    assert peer
    return peer


def test_a_certificate_and_its_key(files: Certificate) -> None:
    """They are shown to clients; when they expire is known."""
    tls = open_tls(TcpSettings(**files.settings))
    assert tls is not None
    expires = ssl.cert_time_to_seconds(shown(tls, files.authority)["notAfter"])
    assert tls.expires_at == datetime.fromtimestamp(expires, UTC)


def test_plaintext_only_where_somebody_says_so() -> None:
    """Neither one nor the other is refused, with what to do; so are both at once."""
    assert open_tls(TcpSettings(plaintext=True)) is None
    with pytest.raises(SettingsError, match=r"tcp\.certificate.*tcp\.plaintext = true"):
        open_tls(TcpSettings())
    with pytest.raises(SettingsError, match=r"tcp\.plaintext: true beside tcp\.certificate"):
        open_tls(TcpSettings(plaintext=True, certificate="c", private_key="k"))


def test_a_certificate_without_a_key(files: Certificate) -> None:
    """The missing setting is named."""
    with pytest.raises(SettingsError, match=r"tcp\.private_key: missing"):
        open_tls(TcpSettings(certificate=files.certificate))


@pytest.mark.parametrize("name", ["certificate", "private_key"])
def test_a_file_that_is_not_there(files: Certificate, name: str) -> None:
    """Setting and file are named."""
    settings = TcpSettings(**{**files.settings, name: "/nowhere.pem"})
    with pytest.raises(SettingsError, match=rf"tcp\.{name}: /nowhere\.pem: No such file"):
        open_tls(settings)


def with_foreign_key(files: Certificate) -> None:
    """The key of another certificate."""
    other = trustme.CA().issue_cert("other", key_type=trustme.KeyType.ECDSA)
    other.private_key_pem.write_to_path(files.private_key)


def with_no_certificate(files: Certificate) -> None:
    """A file that is something else."""
    Path(files.certificate).write_text("no certificate", encoding="utf-8")


def with_swapped_files(files: Certificate) -> None:
    """The key where the certificate should be."""
    Path(files.certificate).write_bytes(Path(files.private_key).read_bytes())


def with_no_key(files: Certificate) -> None:
    """Something else where the key should be."""
    Path(files.private_key).write_text("no key", encoding="utf-8")


def with_password(files: Certificate) -> None:
    """A key that somebody would have to unlock."""
    file = Path(files.private_key)
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    file.write_bytes(locked)


def with_expired(files: Certificate) -> None:
    """A certificate of last year."""
    make_certificate(Path(files.certificate).parent, not_after=datetime.now(UTC) - timedelta(1))


@pytest.mark.parametrize(
    "change, told",
    [
        (with_foreign_key, "the key is not that of the certificate"),
        (with_no_certificate, "there is no certificate in PEM format"),
        (with_swapped_files, "there is no certificate in PEM format"),
        (with_no_key, "one of them is not in PEM format"),
        (with_password, "or the key has a password"),
        (with_expired, "certificate has expired"),
    ],
)
def test_files_that_are_of_no_use(
    files: Certificate, change: Callable[[Certificate], None], told: str
) -> None:
    """Nothing starts; the message names both files and the fault."""
    change(files)
    with pytest.raises(SettingsError, match=re.escape(told)) as caught:
        open_tls(TcpSettings(**files.settings))
    assert files.certificate in str(caught.value)
    assert files.private_key in str(caught.value)


def test_a_renewed_certificate(tmp_path: Path) -> None:
    """Handshakes after the reload show the new one; one of no use changes nothing."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    files = make_certificate(tmp_path, authority, datetime.now(UTC) + timedelta(10))
    tls = Tls(files.certificate, files.private_key)
    before = tls.expires_at
    make_certificate(tmp_path, authority)
    tls.reload()
    assert tls.expires_at > before
    renewed = shown(tls, files.authority)
    with_expired(files)
    with pytest.raises(SettingsError, match="expired"):
        tls.reload()
    files_of_the_renewed = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(files_of_the_renewed))
    assert shown(tls, str(files_of_the_renewed)) == renewed
