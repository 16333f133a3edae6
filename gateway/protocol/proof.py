"""Proof of identity, both ways, without sending the secret.

The scheme is that of SCRAM (RFC 5802) without a password's salt, because our secrets are random:
the gateway stores a key that verifies a proof but cannot make one, so a stolen database lets
nobody in as a device. Everything is SHA-256 cut to 128 bits.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from gateway.protocol.limits import MIN_SECRET_BYTES, PROOF_BYTES, PROTOCOL_VERSION

_CONTEXT: Final = b"field-gateway"


class Keys(msgspec.Struct, frozen=True):
    """What the gateway keeps of a device's secret."""

    stored_key: bytes
    """Verifies the device's proof; useless for making one."""
    gateway_key: bytes
    """Makes the gateway's proof."""


class Greeting(msgspec.Struct, frozen=True):
    """What both sides know at the greeting and both proofs cover."""

    gateway_nonce: bytes
    """From the challenge; empty over MQTT, which has none."""
    device_nonce: bytes
    device: int
    installation: int

    def transcript(self) -> bytes:
        """The bytes that are signed: fixed widths, big-endian, so nothing can be shifted."""
        return b"".join(
            (
                _CONTEXT,
                bytes((PROTOCOL_VERSION,)),
                self.device.to_bytes(8, "big"),
                self.installation.to_bytes(4, "big"),
                self.device_nonce,
                self.gateway_nonce,
            )
        )


def derive_keys(secret: bytes) -> Keys:
    """The keys that the gateway stores for a secret of at least 16 random bytes.

    Raises `ValueError` for a shorter one.
    """
    return Keys(_hash(_device_key(secret)), _mac(secret, b"gateway"))


def device_proof(secret: bytes, greeting: Greeting) -> bytes:
    """The device's proof for its hello."""
    device_key = _device_key(secret)
    return _xor(device_key, _mac(_hash(device_key), b"device" + greeting.transcript()))


def verify_device_proof(keys: Keys, greeting: Greeting, proof: bytes) -> bool:
    """Whether the proof was made with the secret. Takes the same time for every wrong one."""
    if len(proof) != PROOF_BYTES:
        return False
    device_key = _xor(proof, _mac(keys.stored_key, b"device" + greeting.transcript()))
    return hmac.compare_digest(_hash(device_key), keys.stored_key)


def gateway_proof(keys: Keys, greeting: Greeting) -> bytes:
    """The gateway's proof for its welcome."""
    return _mac(keys.gateway_key, b"gateway" + greeting.transcript())


def verify_gateway_proof(secret: bytes, greeting: Greeting, proof: bytes) -> bool:
    """Whether the welcome came from a gateway that knows this device."""
    return hmac.compare_digest(gateway_proof(derive_keys(secret), greeting), proof)


def mqtt_password(secret: bytes) -> str:
    """The password of a device at the broker: derived, so that the secret itself stays home."""
    _require_length(secret)
    return hmac.digest(secret, b"field-gateway mqtt password", "sha256").hex()[:32]


def _device_key(secret: bytes) -> bytes:
    _require_length(secret)
    return _mac(secret, b"device")


def _require_length(secret: bytes) -> None:
    if len(secret) < MIN_SECRET_BYTES:
        message = f"a device's secret has at least {MIN_SECRET_BYTES} bytes, not {len(secret)}"
        raise ValueError(message)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:PROOF_BYTES]


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:PROOF_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
