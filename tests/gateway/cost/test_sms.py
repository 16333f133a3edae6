"""Segments and octets of short messages, against checked counts and the standard's corners."""

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.cost.sms import (
    GSM_7_BASIC,
    GSM_7_EXTENDED,
    Alphabet,
    Reference,
    count_segments,
    room,
    segment_octets,
    segment_text,
)

VECTORS = Path(__file__).parents[2] / "data" / "sms-vectors.csv"


def vectors() -> list[tuple[str, int, tuple[int, ...]]]:
    """Alphabet, characters, and how many of them go into each segment."""
    with VECTORS.open(encoding="utf-8", newline="") as file:
        return [
            (
                row["alphabet"],
                int(row["characters"]),
                tuple(map(int, row["segment_lengths"].split("+"))),
            )
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("alphabet, characters, lengths", vectors())
def test_checked_counts(alphabet: str, characters: int, lengths: tuple[int, ...]) -> None:
    """The counts of others come out."""
    if alphabet == "octets":
        message = segment_octets(characters)
    else:
        message = segment_text(("街" if alphabet == "ucs2" else "a") * characters)
    assert message.units == lengths
    assert message.segments == len(lengths)


@pytest.mark.parametrize(
    "alphabet, single, eight, sixteen",
    [
        (Alphabet.GSM_7, 160, 153, 152),
        (Alphabet.OCTETS, 140, 134, 133),
        (Alphabet.UCS_2, 70, 67, 66),
    ],
)
def test_room(alphabet: Alphabet, single: int, eight: int, sixteen: int) -> None:
    """What fits into a segment, for each alphabet and reference number."""
    assert room(alphabet) == single
    assert room(alphabet, Reference.EIGHT_BITS.value) == eight
    assert room(alphabet, Reference.SIXTEEN_BITS.value) == sixteen


def test_sixteen_bit_references_leave_less_room() -> None:
    """A longer header moves a character to the next segment."""
    assert segment_text("街" * 134, Reference.SIXTEEN_BITS).units == (66, 66, 2)


def test_one_chinese_mark_makes_all_ucs_2() -> None:
    """A single character outside the default alphabet doubles the rest."""
    assert segment_text("a" * 100).segments == 1
    message = segment_text("a" * 99 + "。")
    assert (message.alphabet, message.units) == (Alphabet.UCS_2, (67, 33))


@pytest.mark.parametrize("character", "^{}[]~\\|€")
def test_extended_characters_take_two_septets(character: str) -> None:
    """They stay GSM-7 but count twice."""
    assert segment_text(character * 80).units == (160,)
    assert segment_text(character * 81).alphabet is Alphabet.GSM_7


def test_an_escape_is_not_split_from_its_character() -> None:
    """The septet before it stays empty instead."""
    assert segment_text("a" * 152 + "€" + "a" * 10).units == (152, 12)


def test_a_surrogate_pair_is_not_split() -> None:
    """The code unit before it stays empty instead."""
    assert segment_text("街" * 66 + "😀" + "街" * 10).units == (66, 12)


@pytest.mark.parametrize(
    "text, octets",
    [
        ("", 0),
        ("a" * 8, 7),
        ("a" * 160, 140),
        ("街" * 70, 140),
        ("街" * 71, 2 * 6 + 142),
        ("a" * 161, 140 + 14),
    ],
)
def test_octets(text: str, octets: int) -> None:
    """User data of all segments, headers and the bits behind them included."""
    assert segment_text(text).octets == octets


def test_nothing_is_one_empty_segment() -> None:
    """An empty message is still a message."""
    assert segment_text("").units == (0,)


@given(
    st.text(max_size=400)
    | st.text(sorted(GSM_7_BASIC), max_size=400)
    | st.text(sorted(GSM_7_BASIC | GSM_7_EXTENDED), max_size=400)
    | st.text("街a€😀\ud800", max_size=400)
)
@example("")
@example("a" * 160)
@example("a" * 161)
@example("街" * 70)
@example("街" * 71)
@example("a" * 152 + "€" + "a" * 153)
@example("街" * 66 + "😀" + "街" * 67)
def test_counting_alone_gives_the_same(text: str) -> None:
    """The quick count is that of the message as it is cut."""
    assert count_segments(text) == segment_text(text).segments


@pytest.mark.parametrize(
    "text, segments", [("街" * 134, 2), ("街" * 135, 3), ("a" * 306, 2), ("a" * 307, 3)]
)
def test_counting_at_full_segments(text: str, segments: int) -> None:
    """Two of 67 or 153, and one character more."""
    assert count_segments(text) == segments
