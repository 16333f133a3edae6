"""Certificates of an authority that exists for one test run."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import trustme

NAME = "gateway.test"
"""What the certificates are for, beside 127.0.0.1."""


class Certificate(NamedTuple):
    """Three PEM files."""

    certificate: str
    private_key: str
    authority: str

    @property
    def settings(self) -> dict[str, Any]:
        """Of `[tcp]`."""
        return {"certificate": self.certificate, "private_key": self.private_key}

    def trusting(self) -> ssl.SSLContext:
        """A client that trusts the authority."""
        return ssl.create_default_context(cafile=self.authority)


def make_certificate(
    directory: Path,
    authority: trustme.CA | None = None,
    not_after: dt.datetime | None = None,
) -> Certificate:
    """Write a certificate for the gateway of a test, signed by this authority or a new one."""
    signer = authority or trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = signer.issue_cert(
        NAME, "127.0.0.1", key_type=trustme.KeyType.ECDSA, not_after=not_after
    )
    files = Certificate(*(str(directory / name) for name in ("cert.pem", "key.pem", "ca.pem")))
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    Path(files.certificate).write_bytes(chain)
    issued.private_key_pem.write_to_path(files.private_key)
    signer.cert_pem.write_to_path(files.authority)
    return files
