"""The proofs written from the document's words agree with those of the protocol."""

import hashlib
import hmac

import pytest

from gateway.protocol import proof
from scripts import wire_examples as given
from scripts.proof_steps import proof_steps


@pytest.mark.parametrize("over_mqtt", [False, True])
def test_agrees_with_the_protocol(over_mqtt: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    """Two implementations, one result."""
    greeting = given.greeting(over_mqtt=over_mqtt)
    steps = proof_steps(given.SECRET, greeting)
    keys = proof.derive_keys(given.SECRET)
    assert steps["transcript"] == greeting.transcript()
    assert (steps["stored_key"], steps["gateway_key"]) == (keys.stored_key, keys.gateway_key)
    assert steps["device_proof"] == proof.device_proof(given.SECRET, greeting)
    assert steps["gateway_proof"] == proof.gateway_proof(keys, greeting)
    assert proof.verify_device_proof(keys, greeting, steps["device_proof"])


def test_transcript_is_as_written_by_hand() -> None:
    """Context, version, device, installation, device's nonce, gateway's nonce."""
    by_hand = bytes.fromhex(
        "6669656c642d67617465776179"  # field-gateway
        "01"
        "00013e52b9abe011"  # 350000000000017
        "499602d2"  # 1234567890
        "c0c1c2c3c4c5c6c7c8c9cacb"
        "a0a1a2a3a4a5a6a7a8a9aaab"
    )
    steps = proof_steps(given.SECRET, given.greeting())
    assert steps["transcript"] == by_hand
    gateway_key = hmac.new(given.SECRET, b"gateway", hashlib.sha256).digest()[:16]
    whole = hmac.new(gateway_key, b"gateway" + by_hand, hashlib.sha256).digest()
    assert steps["gateway_proof"] == whole[:16]
