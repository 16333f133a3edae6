"""MQTT's remaining length."""

import pytest

from bench.load.packets import packet, read_length


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 70_000])
def test_what_is_packed_can_be_read(size: int) -> None:
    """At every number of length bytes."""
    data = packet(0x30, bytes(size))
    found = read_length(data, 1)
    assert found == (len(data) - size, size)


@pytest.mark.parametrize("data", [b"\x30", b"\x30\x80", b"\x30\xff\xff"])
def test_a_length_that_is_cut_off(data: bytes) -> None:
    """Wait for the rest."""
    assert read_length(data, 1) is None
