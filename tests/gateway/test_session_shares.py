"""A device that has used up a share: what is refused, what is stored all the same, who is told."""

from typing import Any

import pytest

from gateway.allowance import BURST_QUICK, MAX_DEFIED, QUICK_PER_SECOND
from gateway.handlers.outcome import Outcome, Rejected
from gateway.parcel import Transport, Verdict
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_FRAME_BYTES
from gateway.protocol.messages import BadFrame, Message, Ping, Refusal
from gateway.protocol.report import Urgency
from gateway.protocol.task_messages import TaskAnswer, TaskNoted
from gateway.settings import LimitSettings
from tests.helpers.builders import NOW, build_reports
from tests.helpers.session_bench import Bench
from tests.helpers.wire import backlog, wire

FEW = LimitSettings(burst_reports=255, burst_emergencies=2, burst_quarantined=512)
LATER_61 = (RefusalCode.TOO_MANY_REPORTS, Resend.LATER)


def used_up(**options: Any) -> Bench:
    """A session whose device has had its share of reports."""
    bench = Bench(limits=FEW, **options)
    bench.session.handle(backlog(255), b"")
    return bench


def test_what_is_over_the_share_is_refused_with_its_numbers_and_a_time() -> None:
    """Nothing of it is stored; consecutive numbers share a refusal; the message is done with."""
    bench, done = used_up(), []
    assert len(bench.parcels) == 1
    for number in (301, 302, 303):
        bench.session.handle(wire(number), b"", lambda: done.append(1))
    bench.session.handle(backlog(2), b"")
    assert len(bench.parcels) == 1
    assert bench.turn() == [Refusal(*LATER_61, 301, 3, 26), Refusal(*LATER_61, 1, 2, 26)]
    assert (bench.refused, done) == ([1, 1, 1, 2], [1, 1, 1])
    bench.seconds = 26.0
    bench.session.handle(backlog(255), b"")
    assert len(bench.parcels) == 2


@pytest.mark.parametrize("message", [Ping(), TaskNoted(3, 0), TaskAnswer(3, 1, NOW, "")])
def test_every_frame_counts(message: Message) -> None:
    """Also what brings no report: it is refused without a number, and reaches nobody."""
    bench = used_up()
    bench.session.handle(message, b"")
    bench.session.handle(message, b"")
    assert bench.turn() == [Refusal(*LATER_61, 0, 1, 26)]
    assert (bench.task_replies, bench.refused) == ([], [])


def test_a_flood_of_reports_stops_no_emergency() -> None:
    """It has a share of its own; beyond it an emergency is a report like others."""
    bench = used_up()
    for number in (401, 402, 403):
        emergency = wire(number, urgency=Urgency.EMERGENCY)
        assert bench.session.may_jump(emergency) is (number < 403)
        bench.session.handle(emergency, b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, True, True]
    assert bench.turn() == [Refusal(*LATER_61, 403, 1, 26)]
    other = Bench(limits=FEW)
    for number in (1, 2, 3):
        other.session.handle(wire(number, urgency=Urgency.EMERGENCY), b"")
    assert [parcel.urgent for parcel in other.parcels] == [True, True, False]


def test_the_report_of_a_device_that_waits_for_nothing_else_passes_a_crowd() -> None:
    """As an emergency does, as often as its share says; without a crowd it waits like others."""
    bench = Bench()
    bench.session.handle(wire(1), b"")
    bench.store(0)
    bench.is_crowded = True
    for number in range(2, BURST_QUICK + 3):
        assert bench.session.may_jump(wire(number)) is (number < BURST_QUICK + 2)
        bench.session.handle(wire(number), b"")
        bench.store(-1)
    jumped = [parcel.urgent for parcel in bench.parcels]
    assert jumped == [False, *[True] * BURST_QUICK, False]
    bench.seconds = 1 / QUICK_PER_SECOND
    assert bench.session.may_jump(wire(99))


def test_who_has_more_under_way_passes_nobody() -> None:
    """Nor does a backlog: a device's reports stay in their order, and a flood remains one."""
    bench = Bench()
    bench.is_crowded = True
    assert not bench.session.may_jump(backlog(2))
    assert not bench.session.may_jump(Ping())
    bench.session.handle(backlog(2), b"")
    assert not bench.session.may_jump(wire(3))
    bench.session.handle(wire(3), b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, False]


def test_a_session_that_does_not_wait_ends() -> None:
    """After what an honest one may have had under way; its last refusal goes out before."""
    bench = used_up()
    for _ in range(MAX_DEFIED):
        bench.session.handle(Ping(), b"")
    assert bench.ended == []
    bench.session.handle(wire(301), b"")
    assert bench.ended == [26]
    assert bench.sent[-1][-1] == Refusal(*LATER_61, 301, 1, 26)


def test_where_no_session_can_end_there_is_one_word_a_second() -> None:
    """Over MQTT the rest is only counted."""
    bench = used_up(transport=Transport.MQTT)
    for _ in range(MAX_DEFIED):
        bench.session.handle(Ping(), b"")
    assert len(bench.turn()) == 1
    for number in (301, 302, 303):
        bench.session.handle(wire(number), b"")
    assert bench.turn() == [Refusal(*LATER_61, 301, 1, 26)]
    bench.seconds = 1.0
    bench.session.handle(backlog(20, 401), b"")
    assert bench.turn() == [Refusal(*LATER_61, 401, 20, 25)]
    assert bench.refused == [1, 1, 1, 20]


def with_quarantine_left_for(items: int) -> Bench:
    """A session whose device has had nearly all of its share of quarantine."""
    bench = Bench(limits=LimitSettings(burst_quarantined=512))
    for count in (255, 255, 2 - items):
        if count:
            bad = BadFrame(b"", RefusalCode.MALFORMED_MESSAGE, "", 1_000, count)
            bench.session.handle(bad, b"")
    assert bench.turn() == []
    bench.parcels.clear()
    return bench


def test_beyond_its_quota_of_quarantine_a_bad_report_stays_on_its_handset() -> None:
    """Its neighbours in the frame are stored; it is refused for now and not dropped."""
    bench, done = with_quarantine_left_for(1), []
    code = RefusalCode.UNKNOWN_CLASS
    bad = [Rejected(number, code, "") for number in (5, 6, 8)]
    good = build_reports(1, 7)
    bench.session.store(Outcome(reports=good, rejected=bad), b"the frame")
    (parcel,) = bench.parcels
    assert (parcel.reports, [item.sequence for item in parcel.rejected]) == (good, [5])
    assert bench.turn() == [Refusal(*LATER_61, 6, 1, 10), Refusal(*LATER_61, 8, 1, 10)]
    bench.session.handle(wire(9, class_code=9), b"", lambda: done.append("settled"))
    assert (len(bench.parcels), done, bench.refused) == (1, ["settled"], [2, 1])
    bench.session.handle(wire(10), b"")
    assert [report.sequence for report in bench.parcels[1].reports] == [10]


def test_the_bytes_of_a_bad_frame_count_too() -> None:
    """16 KB weigh like 15 reports more."""
    bench = Bench(limits=LimitSettings(burst_quarantined=512))
    body = bytes(MAX_FRAME_BYTES)
    for _ in range(40):
        bench.session.handle(BadFrame(body, RefusalCode.UNKNOWN_MESSAGE, ""), body)
    assert len(bench.parcels) == 32
    assert bench.refused == [1] * 8


def test_a_bad_answer_beyond_the_quota_gets_no_receipt() -> None:
    """It would be deleted; so it comes again."""
    bench = with_quarantine_left_for(0)
    bench.session.handle(TaskAnswer(3, 99, NOW, ""), b"")
    assert bench.turn() == [Refusal(*LATER_61, 0, 1, 10)]
    assert bench.parcels == []


def test_what_only_the_database_found_counts_afterwards() -> None:
    """A device in debt is refused everything but emergencies until it has paid."""
    bench = Bench(limits=LimitSettings(burst_quarantined=512))
    for place in range(3):
        bench.session.handle(backlog(255), b"")
        bench.store(place, Verdict.QUARANTINED)
    bench.turn()
    bench.session.handle(wire(301), b"")
    bench.session.handle(wire(302, urgency=Urgency.EMERGENCY), b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, False, False, True]
    assert bench.turn() == [Refusal(*LATER_61, 301, 1, 60)]
