"""A backlog: a bad report costs only itself."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from gateway.handlers import backlog
from gateway.handlers.outcome import Outcome
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import WireBacklog
from gateway.protocol.wire_report import pack_backlog
from tests.helpers.builders import CONTEXT, EDITION_2007, build_reports
from tests.helpers.strategies import BY_TYPE, UNHURRIED

RUN = build_reports(3, first_sequence=10)
WIRE = pack_backlog(RUN, EDITION_2007)


def _codes(outcome: Outcome) -> dict[int | None, RefusalCode]:
    return {rejected.sequence: rejected.code for rejected in outcome.rejected}


def test_good_reports_are_stored() -> None:
    """All of them, in order, in full values."""
    assert backlog.handle(WIRE, CONTEXT) == Outcome(reports=RUN)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "changes, code",
    [
        ({"class_code": 999}, RefusalCode.UNKNOWN_CLASS),
        ({"urgency": 3}, RefusalCode.BAD_TRAITS),
        ({"grid": 44_030_700_000_000}, RefusalCode.UNKNOWN_GRID),
        ({"lat_e5": 9_000_001}, RefusalCode.BAD_POSITION),
        ({"observed_at": 0}, RefusalCode.BAD_TIME),
        ({"description": "a\tb"}, RefusalCode.BAD_TEXT),
        ({"description": "x" * 501}, RefusalCode.BAD_TEXT),
        ({"component": 1_000_000}, RefusalCode.BAD_COMPONENT),
    ],
)
def test_bad_report_costs_only_itself(
    place: int, changes: dict[str, Any], code: RefusalCode
) -> None:
    """Wherever it stands and whatever is wrong, its neighbours are stored."""
    run = list(RUN)
    bad = run[place] = msgspec.structs.replace(run[place], **changes)
    outcome = backlog.handle(pack_backlog(run, EDITION_2007), CONTEXT)
    assert _codes(outcome) == {bad.sequence: code}
    assert outcome.reports == [report for report in RUN if report.sequence != bad.sequence]


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"edition": 3}, RefusalCode.UNKNOWN_EDITION),
        ({"lats": [0, 0]}, RefusalCode.MALFORMED_MESSAGE),
        ({"texts": "a\nb"}, RefusalCode.BAD_TEXT),
        ({"texts": b"\xff"}, RefusalCode.BAD_TEXT),
        ({"texts": 5}, RefusalCode.BAD_TEXT),
    ],
)
def test_unreadable_backlog_is_rejected_whole(changes: dict[str, Any], code: RefusalCode) -> None:
    """Each of its numbers is refused, so that the device knows which."""
    outcome = backlog.handle(msgspec.structs.replace(WIRE, **changes), CONTEXT)
    assert _codes(outcome) == dict.fromkeys([10, 11, 12], code)
    assert outcome.reports == []


@pytest.mark.parametrize("edition", [1, 3])
def test_no_number_past_the_largest_is_rejected(edition: int) -> None:
    """A backlog that runs past the end names only numbers that there are."""
    wire = msgspec.structs.replace(WIRE, edition=edition, first_sequence=MAX_SEQUENCE - 1)
    outcome = backlog.handle(wire, CONTEXT)
    assert [each.sequence for each in outcome.rejected] == [MAX_SEQUENCE - 1, MAX_SEQUENCE]


@UNHURRIED
@given(BY_TYPE[WireBacklog])
def test_any_backlog_has_one_outcome_a_report(message: WireBacklog) -> None:
    """Whatever its columns say, each number is stored or rejected, once."""
    outcome = backlog.handle(message, CONTEXT)
    stored = [each.sequence for each in outcome.reports]
    rejected = [each.sequence for each in outcome.rejected if each.sequence]
    end = min(message.first_sequence + len(message.times), MAX_SEQUENCE + 1)
    assert sorted(stored + rejected) == list(range(message.first_sequence, end))
