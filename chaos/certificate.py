"""A certificate for gateway a, from an authority that exists for one run."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """Three PEM files.

    Attributes:
        chain: the certificate, and what signed it.
        private_key: its key.
        authority: whom handsets are to believe.
    """

    chain: Path
    private_key: Path
    authority: Path


def make_certificate(directory: Path) -> Certificate:
    """Write a certificate for 127.0.0.1."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    made = Certificate(directory / "cert.pem", directory / "key.pem", directory / "ca.pem")
    made.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(made.private_key))
    authority.cert_pem.write_to_path(str(made.authority))
    return made
