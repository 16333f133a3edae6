"""Both proofs step by step, written a second time from the document's words alone.

It imports nothing of `gateway.protocol.proof` but the inputs' names, so the two check each other.
"""

import hashlib
import hmac

from gateway.protocol.proof import Greeting


def proof_steps(secret: bytes, greeting: Greeting) -> dict[str, bytes]:
    """Every value from the secret to both proofs, in the order of computing."""
    transcript = (
        b"field-gateway\x01"
        + greeting.device.to_bytes(8, "big")
        + greeting.installation.to_bytes(4, "big")
        + greeting.device_nonce
        + greeting.gateway_nonce
    )
    device_key = _mac(secret, b"device")
    stored_key = hashlib.sha256(device_key).digest()[:16]
    signature = _mac(stored_key, b"device" + transcript)
    gateway_key = _mac(secret, b"gateway")
    return {
        "transcript": transcript,
        "device_key": device_key,
        "stored_key": stored_key,
        "device_signature": signature,
        "device_proof": bytes(a ^ b for a, b in zip(device_key, signature, strict=True)),
        "gateway_key": gateway_key,
        "gateway_proof": _mac(gateway_key, b"gateway" + transcript),
    }


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:16]
