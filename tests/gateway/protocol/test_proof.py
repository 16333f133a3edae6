"""Proofs: the same as a second implementation makes, and worthless anywhere else."""

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.proof import (
    Greeting,
    Keys,
    derive_keys,
    device_proof,
    gateway_proof,
    mqtt_password,
    verify_device_proof,
    verify_gateway_proof,
)
from tests.helpers.strategies import UNHURRIED

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
GREETING = Greeting(
    gateway_nonce=b"gateway-once",
    device_nonce=b"device-once!",
    device=861_234_567_890_123,
    installation=1_234_567_890,
)


def _changed(**changes: Any) -> Greeting:
    return msgspec.structs.replace(GREETING, **changes)


def _hmac_by_hand(key: bytes, data: bytes) -> bytes:
    """RFC 2104 from its text, without the `hmac` module."""
    block = key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + data).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()[:16]


TRANSCRIPT = (
    b"field-gateway"
    + bytes.fromhex("01")  # protocol version
    + bytes.fromhex("00030f49cc7cc4cb")  # device 861,234,567,890,123
    + bytes.fromhex("499602d2")  # installation 1,234,567,890
    + b"device-once!"
    + b"gateway-once"
)


def test_transcript_has_fixed_places() -> None:
    """Context, version, device, installation, device's nonce, gateway's nonce, nothing between."""
    assert GREETING.transcript() == TRANSCRIPT
    assert len(TRANSCRIPT) == 13 + 1 + 8 + 4 + 12 + 12


def test_keys_are_what_a_second_implementation_derives() -> None:
    """Stored key: hash of the device key; gateway key: HMAC; both 16 bytes."""
    stored_key = hashlib.sha256(_hmac_by_hand(SECRET, b"device")).digest()[:16]
    assert derive_keys(SECRET) == Keys(stored_key, _hmac_by_hand(SECRET, b"gateway"))


def test_device_proof_is_what_a_second_implementation_makes() -> None:
    """Device key XOR HMAC(stored key, "device" + transcript)."""
    device_key = _hmac_by_hand(SECRET, b"device")
    stored_key = hashlib.sha256(device_key).digest()[:16]
    pad = _hmac_by_hand(stored_key, b"device" + TRANSCRIPT)
    expected = (int.from_bytes(device_key, "big") ^ int.from_bytes(pad, "big")).to_bytes(16, "big")
    assert device_proof(SECRET, GREETING) == expected


def test_gateway_proof_is_what_a_second_implementation_makes() -> None:
    """HMAC(gateway key, "gateway" + transcript)."""
    gateway_key = _hmac_by_hand(SECRET, b"gateway")
    expected = _hmac_by_hand(gateway_key, b"gateway" + TRANSCRIPT)
    assert gateway_proof(derive_keys(SECRET), GREETING) == expected


def test_both_proofs_verify() -> None:
    """Each side accepts the other's proof."""
    keys = derive_keys(SECRET)
    assert verify_device_proof(keys, GREETING, device_proof(SECRET, GREETING))
    assert verify_gateway_proof(SECRET, GREETING, gateway_proof(keys, GREETING))


@pytest.mark.parametrize(
    "other",
    [
        _changed(gateway_nonce=b"gateway-twic"),
        _changed(gateway_nonce=b""),
        _changed(device_nonce=b"device-twice"),
        _changed(device=861_234_567_890_124),
        _changed(installation=1_234_567_891),
    ],
)
def test_replay_fails(other: Greeting) -> None:
    """A proof of one greeting is worth nothing in another, in either direction."""
    keys = derive_keys(SECRET)
    assert not verify_device_proof(keys, other, device_proof(SECRET, GREETING))
    assert not verify_gateway_proof(SECRET, other, gateway_proof(keys, GREETING))


def test_another_secret_fails() -> None:
    """A proof made with another secret is refused by both sides."""
    keys = derive_keys(SECRET)
    assert not verify_device_proof(keys, GREETING, device_proof(OTHER_SECRET, GREETING))
    wrong = gateway_proof(derive_keys(OTHER_SECRET), GREETING)
    assert not verify_gateway_proof(SECRET, GREETING, wrong)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
def test_proof_of_another_length_fails(size: int) -> None:
    """Only 16 bytes can be a proof, and a whole or cut one is none."""
    keys = derive_keys(SECRET)
    proof = (device_proof(SECRET, GREETING) * 2)[:size]
    assert not verify_device_proof(keys, GREETING, proof)
    assert not verify_gateway_proof(SECRET, GREETING, (gateway_proof(keys, GREETING) * 2)[:size])


def test_a_proof_is_no_proof_of_the_other_side() -> None:
    """Neither proof can be sent back to its maker."""
    keys = derive_keys(SECRET)
    assert not verify_device_proof(keys, GREETING, gateway_proof(keys, GREETING))
    assert not verify_gateway_proof(SECRET, GREETING, device_proof(SECRET, GREETING))


def test_stolen_keys_make_no_device_proof() -> None:
    """What the database holds opens nothing: no use of it in a device's place is accepted."""
    keys = derive_keys(SECRET)
    pad = hmac.digest(keys.stored_key, b"device" + TRANSCRIPT, "sha256")[:16]
    attempts = [
        keys.stored_key,
        keys.gateway_key,
        pad,
        bytes(a ^ b for a, b in zip(keys.stored_key, pad, strict=True)),
        bytes(a ^ b for a, b in zip(keys.gateway_key, pad, strict=True)),
        device_proof(keys.stored_key, GREETING),
        device_proof(keys.gateway_key, GREETING),
        bytes(16),
    ]
    assert not any(verify_device_proof(keys, GREETING, attempt) for attempt in attempts)


@pytest.mark.parametrize("size, is_enough", [(0, False), (15, False), (16, True), (32, True)])
def test_shortest_secret(size: int, *, is_enough: bool) -> None:
    """A secret has at least 16 bytes, wherever it is used."""
    secret = SECRET[:size]
    if is_enough:
        assert verify_device_proof(derive_keys(secret), GREETING, device_proof(secret, GREETING))
        assert len(mqtt_password(secret)) == 32
        return
    for use in (
        lambda: derive_keys(secret),
        lambda: device_proof(secret, GREETING),
        lambda: verify_gateway_proof(secret, GREETING, bytes(16)),
        lambda: mqtt_password(secret),
    ):
        with pytest.raises(ValueError, match=f"at least 16 bytes, not {size}"):
            use()


def test_mqtt_password_is_derived() -> None:
    """32 hex digits of HMAC(secret, "field-gateway mqtt password")."""
    expected = _hmac_by_hand(SECRET, b"field-gateway mqtt password").hex()
    assert mqtt_password(SECRET) == expected
    assert SECRET.hex()[:32] != expected


@UNHURRIED
@given(st.binary(min_size=16, max_size=64), st.integers(0, 15), st.integers(1, 255))
def test_one_wrong_byte_fails(secret: bytes, place: int, change: int) -> None:
    """Any change of any byte of a proof makes it worthless."""
    keys = derive_keys(secret)

    def spoilt(proof: bytes) -> bytes:
        return proof[:place] + bytes((proof[place] ^ change,)) + proof[place + 1 :]

    assert not verify_device_proof(keys, GREETING, spoilt(device_proof(secret, GREETING)))
    assert not verify_gateway_proof(secret, GREETING, spoilt(gateway_proof(keys, GREETING)))
