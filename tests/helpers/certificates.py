"""Certificates of an authority that exists for one test run."""

from pathlib import Path
from typing import NamedTuple

import trustme

NAME = "gateway.test"
"""What the certificates are for, beside 127.0.0.1."""


class Certificate(NamedTuple):
    """Three PEM files."""

    certificate: str
    private_key: str
    authority: str

    def settings(self) -> dict[str, str]:
        """Of `[tcp]`."""
        return {"certificate": self.certificate, "private_key": self.private_key}


def make_certificate(directory: Path, authority: trustme.CA | None = None) -> Certificate:
    """Write a certificate for the gateway of a test, signed by this authority or a new one."""
    signer = authority or trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = signer.issue_cert(NAME, "127.0.0.1", key_type=trustme.KeyType.ECDSA)
    files = Certificate(*(str(directory / name) for name in ("cert.pem", "key.pem", "ca.pem")))
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    Path(files.certificate).write_bytes(chain)
    issued.private_key_pem.write_to_path(files.private_key)
    signer.cert_pem.write_to_path(files.authority)
    return files
