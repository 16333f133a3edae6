"""What a link carries beside reports, counted by hand."""

from gateway.cost.idle import (
    HEADER_BYTES_PLAIN,
    HEARTBEATS_PER_SHIFT,
    connection_bytes,
    heartbeats_bytes,
)


def test_a_connection() -> None:
    """Frames, each with a length and an array header of 1 byte, and a tag of 1: challenge 3 + 1 +
    (2 + 12) = 18; hello 3 + 1 + 9 + 5 + 3 + (2 + 12) + (2 + 16) = 53; welcome 3 + 1 + (2 + 16) +
    5 + 3 + 3 + 3 + 1 = 37; goodbye 3 + 1 = 4. Segments with 52 bytes of headers: up SYN, ACK,
    hello, goodbye, FIN, ACK; down SYN, challenge, welcome, ACK, FIN; 8 more for each SYN. Up
    6 x 52 + 8 + 53 + 4, down 5 x 52 + 8 + 18 + 37.
    """
    connection = connection_bytes()
    assert (connection.up, connection.down) == (377, 323)


def test_opening_and_closing_alone_are_the_published_sums() -> None:
    """288 bytes, and 380 with time stamps: without the frames and the headers of their segments."""
    frames = 18 + 53 + 37 + 4
    assert connection_bytes().both - frames - 4 * 52 == 380
    assert connection_bytes(HEADER_BYTES_PLAIN).both - frames - 4 * 40 == 288


def test_heartbeats_of_a_shift() -> None:
    """28,800 / 270 = 106. Each: ping up 3 bytes, pong down 3, one ACK up, three headers: 106 x 126
    = 13,356, about 13 KB, and 17,172 with time stamps.
    """
    assert HEARTBEATS_PER_SHIFT == 106
    plain = heartbeats_bytes(HEADER_BYTES_PLAIN)
    assert (plain.up, plain.down) == (106 * 83, 106 * 43)
    assert plain.both == 13_356
    assert heartbeats_bytes().both == 17_172
