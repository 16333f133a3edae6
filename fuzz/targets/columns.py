"""Backlogs and tracks whose columns hold any numbers: bytes seldom happen to be such a message."""

from collections.abc import Callable
from struct import Struct
from typing import Final

from fuzz.targets.items import CONTEXT, NOW, check_handled
from gateway.protocol.errors import RemoteProtocolError
from gateway.protocol.messages import (
    BadFrame,
    WireBacklog,
    WireReport,
    WireTrack,
    decode_or_bad,
    encode,
)
from gateway.protocol.text import encode_text
from gateway.protocol.wire_report import pack_backlog, unpack_backlog

_EDITION: Final = CONTEXT.tables.editions[CONTEXT.tables.current]
_STREETS: Final = sorted(
    street * 10 ** (_EDITION.grid_digits - 9) - _EDITION.grid_base for street in _EDITION.streets
)
_CLASSES: Final = sorted(_EDITION.component_classes | _EDITION.event_classes)
_HEADER: Final = Struct("<BBBi")
_MOST: Final = 4
_SINGLE, _TRACK, _WILD, _UNEVEN, _RAW_TEXT, _COMPONENTS = 1, 2, 4, 8, 16, 32


class _Numbers:
    """Numbers out of bytes, signed, of 1, 2, 4 or 8 bytes each; 0 when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self, width: int) -> int:
        begin, self._at = self._at, self._at + width
        return int.from_bytes(self._data[begin : self._at], "little", signed=True)

    def rest(self) -> bytes:
        return self._data[self._at :]


def check(data: bytes) -> None:
    """Whatever the numbers are, the message decodes to itself and gets its verdicts."""
    if len(data) < _HEADER.size:
        return
    flags, count, edition, sequence = _HEADER.unpack_from(data)
    count = 1 + count % _MOST
    numbers = _Numbers(data[_HEADER.size :])
    if flags & _TRACK:
        _check(_track(flags, count, edition, sequence, numbers))
    elif flags & _SINGLE:
        _check(_report(flags, edition, sequence, numbers))
    else:
        backlog = _backlog(flags, count, edition, sequence, numbers)
        _check(backlog)


def _check(message: WireBacklog | WireTrack | WireReport) -> None:
    body = encode(message)
    event = decode_or_bad(body)
    if not isinstance(event, BadFrame):
        assert type(event) is type(message)
        _check_packed_again(event)
    check_handled(event)


def _check_packed_again(event: object) -> None:
    """A backlog that unpacks with texts that may be sent means the same when packed again."""
    if not isinstance(event, WireBacklog) or event.edition not in CONTEXT.tables.editions:
        return
    edition = CONTEXT.tables.editions[event.edition]
    try:
        reports = unpack_backlog(event, edition)
    except RemoteProtocolError:
        return
    assert unpack_backlog(pack_backlog(reports, edition), edition) == reports


def _column(flags: int, count: int, numbers: _Numbers, tame: Callable[[int], int]) -> list[int]:
    """A column: any numbers of 8 bytes, or small ones made to fit."""
    if flags & _UNEVEN:
        count += numbers.next(1) % 2
    if flags & _WILD:
        return [numbers.next(8) for _ in range(count)]
    return [tame(numbers.next(1)) for _ in range(count)]


def _first_at(origin: int, values: list[int]) -> list[int]:
    return [values[0] + origin, *values[1:]]


def _backlog(flags: int, count: int, edition: int, sequence: int, numbers: _Numbers) -> WireBacklog:
    def column(tame: Callable[[int], int]) -> list[int]:
        return _column(flags, count, numbers, tame)

    start = _STREETS[numbers.next(1) % len(_STREETS)]
    return WireBacklog(
        edition=edition,
        first_sequence=sequence,
        times=_first_at(0 if flags & _WILD else NOW, column(int)),
        class_codes=column(lambda n: _CLASSES[n % len(_CLASSES)]),
        traits=column(lambda n: n % 64),
        grids=_first_at(0 if flags & _WILD else start, column(lambda n: n % 4)),
        lats=column(int),
        lons=column(int),
        accuracies_m=column(lambda n: n % 256),
        pictures=column(lambda n: n % 10),
        components=column(lambda n: n % 256) if flags & _COMPONENTS else [],  # type: ignore[arg-type]  # ints are among them
        texts=_texts(flags, count, numbers),
    )


def _texts(flags: int, count: int, numbers: _Numbers) -> object:
    rest = numbers.rest()
    if flags & _RAW_TEXT:
        return rest
    text = rest.decode("utf-8", "ignore").replace("\n", "")
    size = 1 + len(text) // count
    parts = [text[at : at + size] for at in range(0, size * count, size)]
    return encode_text("\n".join(parts))


def _track(flags: int, count: int, edition: int, sequence: int, numbers: _Numbers) -> WireTrack:
    def column() -> list[int]:
        return _column(flags, count, numbers, int)

    times = _first_at(0 if flags & _WILD else NOW, column())
    accuracies = _column(flags, count, numbers, abs)
    return WireTrack(edition, sequence, times, column(), column(), accuracies)


def _report(flags: int, edition: int, sequence: int, numbers: _Numbers) -> WireReport:
    width = 8 if flags & _WILD else 2
    return WireReport(
        edition=edition,
        sequence=sequence,
        observed_at=(0 if flags & _WILD else NOW) + numbers.next(width),
        class_code=_CLASSES[numbers.next(1) % len(_CLASSES)],
        traits=numbers.next(1) % 64,
        grid=_STREETS[numbers.next(1) % len(_STREETS)] + numbers.next(width),
        lat=numbers.next(width),
        lon=numbers.next(width),
        accuracy_m=numbers.next(width),
        pictures=numbers.next(1) % 10,
        component=numbers.next(width) if flags & _COMPONENTS else None,
        text=_texts(flags, 1, numbers),
    )
