"""Full values to few bytes and back, and how few they are."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.seeds import SEEDS
from fuzz.targets.columns import check
from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import BadFrame, WireBacklog, WireReport, WireTrack, decode, encode
from gateway.protocol.report import Kind, Patrol, Report, Track, TrackPoint, Urgency
from gateway.protocol.tables import Edition
from gateway.protocol.wire_report import (
    is_urgent,
    pack_backlog,
    pack_report,
    pack_track,
    pack_traits,
    unpack_backlog,
    unpack_report,
    unpack_track,
)
from tests.helpers.builders import (
    EDITION_2007,
    EDITION_WIDE,
    build_report,
    build_reports,
    build_track,
    build_wide_report,
)
from tests.helpers.hostile import changed
from tests.helpers.strategies import INT_64, UNHURRIED, reports

MAX_ORDINARY_BYTES = 32
MAX_BACKLOG_BYTES_PER_REPORT = 20
SHORT_TEXT = "占道"
LONG_TEXT = "".join(chr(0x4E00 + 37 * n) for n in range(500))
EMPTY_BACKLOG = pack_backlog(build_reports(3, description=""), EDITION_2007)


def _over_the_wire(report: Report, edition: Edition) -> Report:
    wire = decode(encode(pack_report(report, edition)))
    assert isinstance(wire, WireReport)
    return unpack_report(wire, edition)


def _backlog_over_the_wire(run: list[Report], edition: Edition) -> list[Report]:
    wire = decode(encode(pack_backlog(run, edition)))
    assert isinstance(wire, WireBacklog)
    return unpack_backlog(wire, edition)


# Sizes.


def _worst_ordinary_report(description: str, north: int, east: int) -> Report:
    """The dearest values of an ordinary report: no component identity, and a fix."""
    return build_report(
        sequence=65_535,
        observed_at=2**32 - 1,
        class_code=9_999,
        urgency=3,
        patrol=3,
        grid=44_030_799_999_999,
        lat_e5=EDITION_2007.lat0_e5 + north,
        lon_e5=EDITION_2007.lon0_e5 + east,
        accuracy_m=127,
        pictures=9,
        description=description,
    )


@pytest.mark.parametrize("description", ["", "a", SHORT_TEXT, SHORT_TEXT * 20, LONG_TEXT[:40]])
@pytest.mark.parametrize("north", [-32_767, 32_767])
@pytest.mark.parametrize("east", [-32_767, 32_767])
def test_ordinary_report_takes_32_bytes(description: str, north: int, east: int) -> None:
    """Everything but the text's own bytes fits in 32, length prefix and text header included."""
    wire = pack_report(_worst_ordinary_report(description, north, east), EDITION_2007)
    frame = encode_frame(encode(wire))
    assert len(frame) - _text_bytes(wire.text) <= MAX_ORDINARY_BYTES


@pytest.mark.parametrize("size", [0, 1, 40, 100, 128, 500])
def test_ordinary_report_beside_its_text_field(size: int) -> None:
    """Without the text's header, which grows to 3 bytes with rare characters, it is 30 always."""
    wire = pack_report(_worst_ordinary_report(LONG_TEXT[:size], 32_767, -32_767), EDITION_2007)
    frame = encode_frame(encode(wire))
    assert len(frame) - (len(msgpack.packb(wire.text)) if size else 0) <= MAX_ORDINARY_BYTES - 2


def _text_bytes(text: str | bytes | msgpack.ExtType) -> int:
    """The content of a text, without its msgpack header."""
    if isinstance(text, msgpack.ExtType):
        return len(text.data)
    return len(text.encode() if isinstance(text, str) else text)


def _worst_backlog(count: int, description: str) -> list[Report]:
    """Each report as far from the one before as 16 bits can say, there and back."""
    return [
        build_report(
            sequence=65_535 - count + place,
            observed_at=2**31 + 32_767 * (place % 2),
            class_code=9_999,
            urgency=2,
            patrol=2,
            grid=44_030_700_300_101 + 32_767 * (place % 2),
            lat_e5=EDITION_2007.lat0_e5 + 32_767 * (place % 2),
            lon_e5=EDITION_2007.lon0_e5 - 32_767 * (place % 2),
            accuracy_m=127,
            pictures=9,
            description=description,
        )
        for place in range(count)
    ]


@pytest.mark.parametrize("description", ["a", SHORT_TEXT, LONG_TEXT[:40]])
def test_report_in_a_backlog_takes_20_bytes(description: str) -> None:
    """In a backlog of 100, all but the texts' own bytes fits in 20 each; a separator counts."""
    wire = pack_backlog(_worst_backlog(100, description), EDITION_2007)
    frame = encode_frame(encode(wire))
    beside_text = len(frame) - len(msgpack.packb(wire.texts)) + 99
    assert beside_text / 100 <= MAX_BACKLOG_BYTES_PER_REPORT


# Round trips.


@UNHURRIED
@given(reports(EDITION_2007))
def test_report_comes_back(report: Report) -> None:
    """Any report of the edition of 2007 arrives as it was."""
    assert _over_the_wire(report, EDITION_2007) == report


@UNHURRIED
@given(reports(EDITION_WIDE))
def test_report_with_wide_codes_comes_back(report: Report) -> None:
    """15-digit grids, five-digit classes and 17-digit components arrive as they were."""
    assert _over_the_wire(report, EDITION_WIDE) == report


@UNHURRIED
@given(st.lists(reports(EDITION_2007), min_size=1, max_size=8), st.integers(1, 10**6))
def test_backlog_comes_back(run: list[Report], first: int) -> None:
    """Any reports with consecutive numbers arrive as they were, in order."""
    run = [msgspec.structs.replace(r, sequence=first + n) for n, r in enumerate(run)]
    assert _backlog_over_the_wire(run, EDITION_2007) == run


@UNHURRIED
@given(st.lists(reports(EDITION_WIDE), min_size=1, max_size=8))
def test_backlog_with_wide_codes_comes_back(run: list[Report]) -> None:
    """The same with the widest codes."""
    run = [msgspec.structs.replace(r, sequence=1 + n) for n, r in enumerate(run)]
    assert _backlog_over_the_wire(run, EDITION_WIDE) == run


def test_full_backlog_comes_back() -> None:
    """255 reports up to the last number there is."""
    run = build_reports(255, first_sequence=MAX_SEQUENCE - 254)
    assert _backlog_over_the_wire(run, EDITION_2007) == run


@UNHURRIED
@given(
    st.lists(
        st.builds(
            TrackPoint,
            st.integers(0, 2**32 - 1),
            st.integers(-9_000_000, 9_000_000),
            st.integers(-18_000_000, 18_000_000),
            st.integers(0, 65_535),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([EDITION_2007, EDITION_WIDE]),
)
def test_track_comes_back(points: list[TrackPoint], edition: Edition) -> None:
    """Any track arrives as it was."""
    track = Track(sequence=3, edition=edition.number, points=tuple(points))
    wire = decode(encode(pack_track(track, edition)))
    assert isinstance(wire, WireTrack)
    assert unpack_track(wire, edition) == track


def test_packed_values_are_relative_to_the_edition() -> None:
    """Grid, position and component lose what the edition says anyway."""
    wire = pack_report(build_report(component=4_403_070_203_012_345), EDITION_2007)
    assert (wire.grid, wire.lat, wire.lon) == (300_101, 600, -13_900)
    assert wire.component == 12_345
    wide = pack_report(build_wide_report(component=44_030_720_101_999_999), EDITION_WIDE)
    assert (wide.grid, wide.component) == (3_001_001, 999_999)


@pytest.mark.parametrize("number", [0, 1, 999_999])
def test_component_of_its_class_travels_as_its_number(number: int) -> None:
    """From the first to the last number that a class has."""
    report = build_report(component=4_403_070_203_000_000 + number)
    assert pack_report(report, EDITION_2007).component == number
    assert _over_the_wire(report, EDITION_2007) == report


@pytest.mark.parametrize(
    "component",
    [
        4_403_070_204_000_000,  # the next class
        4_403_070_202_999_999,  # the class before
        4_403_080_203_000_001,  # another district
        1_000_000,  # the smallest that cannot be a number within a class
    ],
)
def test_foreign_component_travels_whole(component: int) -> None:
    """A component of another class or district is not made relative."""
    report = build_report(component=component)
    assert pack_report(report, EDITION_2007).component == component
    assert _over_the_wire(report, EDITION_2007) == report


@pytest.mark.parametrize(
    "changes, traits",
    [
        ({"kind": 0, "urgency": 0, "simple": False, "patrol": 0}, 0),
        ({"kind": 1, "urgency": 0, "simple": False, "patrol": 0}, 1),
        ({"kind": 0, "urgency": 1, "simple": False, "patrol": 0}, 2),
        ({"kind": 0, "urgency": 2, "simple": False, "patrol": 0}, 4),
        ({"kind": 0, "urgency": 0, "simple": True, "patrol": 0}, 8),
        ({"kind": 0, "urgency": 0, "simple": False, "patrol": 1}, 16),
        ({"kind": 0, "urgency": 0, "simple": False, "patrol": 2}, 32),
        ({"kind": 1, "urgency": 2, "simple": True, "patrol": 2}, 45),
    ],
)
def test_traits_have_their_bits(changes: dict[str, int], traits: int) -> None:
    """Kind, urgency, simple and patrol stand where the layout says."""
    report = build_report(**changes)
    assert pack_traits(report) == traits
    assert _over_the_wire(report, EDITION_2007) == report


# Hostile columns.


@pytest.mark.parametrize(
    "column",
    [
        "class_codes",
        "traits",
        "grids",
        "lats",
        "lons",
        "accuracies_m",
        "pictures",
        "components",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_unequal_columns_are_malformed(column: str, size: int) -> None:
    """A column that is longer or shorter than the times makes the backlog unreadable."""
    wire = msgspec.structs.replace(EMPTY_BACKLOG, **{column: [1] * size})
    with pytest.raises(RemoteProtocolError) as caught:
        unpack_backlog(wire, EDITION_2007)
    assert caught.value.code is RefusalCode.MALFORMED_MESSAGE


@pytest.mark.parametrize("column", ["lats", "lons", "accuracies_m"])
@pytest.mark.parametrize("size", [2, 4])
def test_unequal_columns_of_a_track_are_malformed(column: str, size: int) -> None:
    """A track with unequal columns is no track."""
    wire = pack_track(build_track(points=3), EDITION_2007)
    with pytest.raises(RemoteProtocolError) as caught:
        unpack_track(msgspec.structs.replace(wire, **{column: [0] * size}), EDITION_2007)
    assert caught.value.code is RefusalCode.MALFORMED_MESSAGE


def test_numbers_past_the_end_are_malformed() -> None:
    """The last report may have the largest number, not one more."""
    last = msgspec.structs.replace(EMPTY_BACKLOG, first_sequence=MAX_SEQUENCE - 2)
    assert unpack_backlog(last, EDITION_2007)[-1].sequence == MAX_SEQUENCE
    past = msgspec.structs.replace(EMPTY_BACKLOG, first_sequence=MAX_SEQUENCE - 1)
    with pytest.raises(RemoteProtocolError) as caught:
        unpack_backlog(past, EDITION_2007)
    assert caught.value.code is RefusalCode.MALFORMED_MESSAGE


@UNHURRIED
@given(st.lists(INT_64, min_size=12, max_size=12))
def test_huge_differences_do_not_raise(values: list[int]) -> None:
    """The sum of any differences is a value for `validity` to judge."""
    wire = msgspec.structs.replace(
        EMPTY_BACKLOG, times=values[:3], grids=values[3:6], lats=values[6:9], lons=values[9:]
    )
    run = unpack_backlog(wire, EDITION_2007)
    assert run[2].observed_at == sum(values[:3])
    assert run[2].grid == sum(values[3:6]) + 44_030_700_000_000
    assert run[2].lat_e5 == sum(values[6:9]) + EDITION_2007.lat0_e5
    assert run[2].lon_e5 == sum(values[9:]) + EDITION_2007.lon0_e5


@pytest.mark.parametrize("texts", ["\n", "\n\n\n", b"\xff", msgspec.msgpack.Ext(3, b""), 5, None])
def test_texts_that_do_not_decode(texts: object) -> None:
    """Too few, too many, no deflate data, another extension, or no text at all: a bad text."""
    wire = msgspec.structs.replace(EMPTY_BACKLOG, texts=texts)
    with pytest.raises(RemoteProtocolError) as caught:
        unpack_backlog(wire, EDITION_2007)
    assert caught.value.code is RefusalCode.BAD_TEXT


@pytest.mark.parametrize(
    "text", ["x" * 501, b"\xff", msgspec.msgpack.Ext(3, b""), 5, None, True, 1.5, [], {}]
)
def test_text_that_does_not_decode(text: object) -> None:
    """A single report with a bad text is a bad text, whatever stands in its place."""
    wire = msgspec.structs.replace(pack_report(build_report(), EDITION_2007), text=text)
    with pytest.raises(RemoteProtocolError) as caught:
        unpack_report(wire, EDITION_2007)
    assert caught.value.code is RefusalCode.BAD_TEXT


def test_one_long_text_does_not_spoil_a_backlog() -> None:
    """One description over its limit is unpacked, for `validity` to refuse it alone."""
    wire = msgspec.structs.replace(EMPTY_BACKLOG, texts="a\n" + "x" * 501 + "\nb")
    assert [len(r.description) for r in unpack_backlog(wire, EDITION_2007)] == [1, 501, 1]


@pytest.mark.parametrize("urgency", list(Urgency))
def test_an_emergency_stands_alone(urgency: Urgency) -> None:
    """Only a single report is one: in a backlog it has the time that a backlog has."""
    report = build_report(urgency=urgency, simple=True, patrol=Patrol.HOTLINE, kind=Kind.EVENT)
    is_emergency = urgency is Urgency.EMERGENCY
    assert is_urgent(pack_report(report, EDITION_2007)) is is_emergency
    assert not is_urgent(pack_backlog([report], EDITION_2007))
    assert not is_urgent(BadFrame(b"", RefusalCode.MALFORMED_MESSAGE, ""))


@UNHURRIED
@given(changed(SEEDS["columns"]()))
def test_hostile_bytes(data: bytes) -> None:
    """Columns of any numbers give reports that can be stored, or refusals."""
    check(data)
