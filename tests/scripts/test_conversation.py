"""The example session, held against bytes written by hand."""

import pytest

from scripts.conversation import converse

BY_HAND = [
    (0, "G", "11 93 00 01 c4 0c a0a1a2a3a4a5a6a7a8a9aaab"),  # length, array, tag, version, nonce
    (4, "G", "03 92 05 2a"),  # ack of 42
    (6, "G", "03 92 05 2a"),  # the same ack for the repetition
    (8, "G", "05 94 06 29 00 2b"),  # refusal: code 41, never, number 43
    (9, "G", "03 92 05 2b"),  # ack of 43, which is settled
    (10, "D", "02 91 08"),  # ping
    (11, "G", "02 91 09"),  # pong
    (13, "D", "05 92 11 cd 03e9"),  # task-noted: task 1001, received
    (15, "G", "05 92 13 cd 03e9"),  # task-receipt: task 1001, accepted
    (16, "D", "03 92 0a 00"),  # goodbye: normal
]


@pytest.mark.parametrize("place,sender,frame", BY_HAND)
def test_frames_are_as_written_by_hand(place: int, sender: str, frame: str) -> None:
    """What the code says in the example is what the layout tables say."""
    line = list(converse())[place]
    assert (line.sender, line.frame) == (sender, bytes.fromhex(frame))


def test_nothing_is_left_out() -> None:
    """The list above ends where the conversation ends, and the report is really repeated."""
    lines = list(converse())
    assert len(lines) == BY_HAND[-1][0] + 1
    assert lines[3].frame == lines[5].frame
