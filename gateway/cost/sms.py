"""How a text is cut into SMS segments. Pure.

Rules of 3GPP TS 23.038 (the GSM 7-bit default alphabet and its extension table) and TS 23.040
(140 octets of user data, the header of a concatenated message). National shift tables, which no
handset of 2008 had, are left out.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, unique
from typing import Final

import msgspec

SEGMENT_OCTETS: Final = 140
"""User data of one segment."""

GSM_7_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""One septet each."""

GSM_7_EXTENDED: Final = frozenset("^{}[~]\\|€\f")
"""Two septets each: an escape and the character. The two are never split over segments."""

_GSM_7: Final = GSM_7_BASIC | GSM_7_EXTENDED
_OCTETS_PER_CODE_UNIT: Final = 2
_BITS_PER_OCTET: Final = 8
_BITS_PER_SEPTET: Final = 7
_BEYOND_BASIC_PLANE: Final = 0x10000


@unique
class Reference(Enum):
    """The octets of a concatenation header, its length octet included."""

    EIGHT_BITS = 6
    SIXTEEN_BITS = 7


@unique
class Alphabet(Enum):
    """How characters become octets; the value is the bits of one unit."""

    GSM_7 = 7
    OCTETS = 8
    UCS_2 = 16

    @property
    def bits(self) -> int:
        """Width of one unit."""
        return int(self.value)


class Message(msgspec.Struct, frozen=True):
    """A text as it is sent."""

    alphabet: Alphabet
    units: tuple[int, ...]
    """Septets, octets or UTF-16 code units in each segment."""
    octets: int
    """User data of all segments together, headers included."""

    @property
    def segments(self) -> int:
        """How many short messages are paid for."""
        return len(self.units)


def segment_text(text: str, reference: Reference = Reference.EIGHT_BITS) -> Message:
    """Cut a text. One character outside GSM-7 makes the whole message UCS-2."""
    if _GSM_7.issuperset(text):
        widths = (2 if character in GSM_7_EXTENDED else 1 for character in text)
        return _segment(Alphabet.GSM_7, widths, reference)
    # A surrogate pair is never split (TS 23.040 leaves it open, every modem does it).
    widths = (2 if ord(character) >= _BEYOND_BASIC_PLANE else 1 for character in text)
    return _segment(Alphabet.UCS_2, widths, reference)


def count_segments(text: str) -> int:
    """How many short messages a text is paid as, in a few microseconds: for the usual text without
    characters of double width it needs no more than its length. The same as the `segments` of
    `segment_text`.
    """
    size = len(text)
    if GSM_7_BASIC.issuperset(text):
        return _even_segments(size, _GSM_7_ROOMS)
    double = len(text.encode("utf-16-le", "surrogatepass")) != size * _OCTETS_PER_CODE_UNIT
    if double or _GSM_7.issuperset(text):
        return segment_text(text).segments
    return _even_segments(size, _UCS_2_ROOMS)


def _even_segments(units: int, rooms: tuple[int, int]) -> int:
    alone, concatenated = rooms
    return 1 if units <= alone else _whole(units, concatenated)


def segment_octets(count: int, reference: Reference = Reference.EIGHT_BITS) -> Message:
    """Cut binary data of so many octets."""
    return _segment(Alphabet.OCTETS, (1 for _ in range(count)), reference)


def room(alphabet: Alphabet, header_octets: int = 0) -> int:
    """Units that fit into one segment beside a header.

    GSM-7 begins at the next septet boundary behind the header: the bits between are lost.
    """
    bits = (SEGMENT_OCTETS - header_octets) * _BITS_PER_OCTET
    return bits // alphabet.bits


def _segment(alphabet: Alphabet, widths: Iterable[int], reference: Reference) -> Message:
    """Cut indivisible characters of the given widths into as few segments as they need."""
    characters = list(widths)
    total = sum(characters)
    if total <= room(alphabet):
        return Message(alphabet, (total,), _octets(alphabet, total, 0))
    header = reference.value
    units = tuple(_fill(characters, room(alphabet, header)))
    return Message(alphabet, units, sum(_octets(alphabet, n, header) for n in units))


def _fill(widths: Iterable[int], capacity: int) -> Iterator[int]:
    used = 0
    for width in widths:
        if used + width > capacity:
            yield used
            used = 0
        used += width
    yield used


def _octets(alphabet: Alphabet, units: int, header_octets: int) -> int:
    """User data of one segment, in whole octets."""
    if alphabet is Alphabet.GSM_7:
        header_septets = _whole(header_octets * _BITS_PER_OCTET, _BITS_PER_SEPTET)
        return _whole((header_septets + units) * _BITS_PER_SEPTET, _BITS_PER_OCTET)
    return header_octets + units * alphabet.bits // _BITS_PER_OCTET


def _whole(amount: int, part: int) -> int:
    """How many parts an amount takes, the last perhaps not full."""
    return -(-amount // part)


def _rooms(alphabet: Alphabet) -> tuple[int, int]:
    """Units in a message of one segment, and in each of several."""
    return room(alphabet), room(alphabet, Reference.EIGHT_BITS.value)


_GSM_7_ROOMS: Final = _rooms(Alphabet.GSM_7)
_UCS_2_ROOMS: Final = _rooms(Alphabet.UCS_2)
