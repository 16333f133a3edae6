"""Tests of what a handset sends next and what it makes of the answers."""

import pytest

from device_sim.handset import DEFAULT_WINDOW_REPORTS, FRESH_REPORTS, Handset
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import MAX_DESCRIPTION_CHARACTERS, MAX_FRAME_BYTES
from gateway.protocol.messages import Ack, Refusal, Welcome, encode
from gateway.protocol.report import Report, Urgency
from gateway.protocol.wire_report import pack_backlog
from tests.helpers.builders import EDITION_2007, build_report, build_reports
from tests.helpers.couriers import build_handset

WELCOME = Welcome(1, b"", 0, 0, 270, 1_024, 1)


def handset_with(*reports: Report, offline: bool = False, **options: int) -> Handset:
    """A welcome handset with these fresh reports."""
    handset = build_handset(**options)
    handset.welcomed(WELCOME)
    for report in handset.number(reports):
        handset.add(report, offline=offline)
    return handset


def sent(handset: Handset, now: float = 0.0) -> list[list[int]]:
    """The numbers in each frame, until nothing more may go."""
    frames = []
    while dispatch := handset.take(now):
        frames.append([report.sequence for report in dispatch.reports])
    return frames


def test_reports_written_with_a_link_go_singly_and_in_order() -> None:
    """One frame for each, as they were written."""
    assert sent(handset_with(*build_reports(3))) == [[1], [2], [3]]


def test_reports_written_without_a_link_go_as_one_backlog() -> None:
    """Consecutive numbers share a frame."""
    assert sent(handset_with(*build_reports(3), offline=True)) == [[1, 2, 3]]


def test_a_backlog_is_no_larger_than_the_link_carries() -> None:
    """A slow link gets small frames."""
    handset = handset_with(*build_reports(5), offline=True, backlog_reports=2)
    assert sent(handset) == [[1, 2], [3, 4], [5]]


def test_a_backlog_of_long_texts_fits_into_a_frame() -> None:
    """The longest descriptions in the worst characters stay below the limit of a frame."""
    text = "𠀀㐀\ue000" * (MAX_DESCRIPTION_CHARACTERS // 3)
    handset = handset_with(*build_reports(60, description=text), offline=True)
    dispatch = handset.take(0.0)
    assert dispatch is not None
    body = encode(pack_backlog(dispatch.reports, EDITION_2007))
    assert len(dispatch.reports) > 1
    assert MAX_FRAME_BYTES // 2 < len(body) <= len(encode_frame(body))


def test_an_emergency_goes_first_and_alone() -> None:
    """It never waits behind what was written before it."""
    emergency = build_report(urgency=Urgency.EMERGENCY)
    handset = handset_with(*build_reports(2), emergency, *build_reports(1), offline=True)
    assert sent(handset) == [[3], [1, 2], [4]]


def test_no_more_than_the_window_is_under_way() -> None:
    """An ack makes room for as many as it covers."""
    handset = handset_with(*build_reports(DEFAULT_WINDOW_REPORTS + 5))
    assert len(sent(handset)) == DEFAULT_WINDOW_REPORTS
    assert len(handset.acked(Ack(3))) == 3
    assert len(sent(handset)) == 3


def test_the_gateways_window_is_kept() -> None:
    """A gateway that allows two gets two, in whatever form."""
    for offline in (False, True):
        handset = handset_with(*build_reports(5), offline=offline)
        handset.welcomed(Welcome(1, b"", 0, 0, 270, 2, 1))
        assert sum(map(len, sent(handset))) == 2


def test_only_what_an_ack_covers_is_settled() -> None:
    """Cumulative number and ranges count, and nothing else."""
    handset = handset_with(*build_reports(8))
    sent(handset, now=5.0)
    settled = handset.acked(Ack(2, [2, 1, 5, 2]))
    assert [item.report.sequence for item in settled] == [1, 2, 4, 7, 8]
    assert {item.sent_at for item in settled} == {5.0}
    assert handset.under_way == 3
    assert not handset.is_empty
    assert handset.settled_through == 2


def test_an_ack_never_settles_what_was_not_sent() -> None:
    """Whatever a gateway says of numbers that we have not used, the report stays."""
    handset = handset_with(*build_reports(2))
    assert handset.acked(Ack(100)) == []
    assert handset.welcomed(Welcome(1, b"", 0, 100, 270, 1_024, 1)) == []
    assert sent(handset) == [[1], [2]]


def test_after_a_lost_link_what_is_open_goes_again_oldest_first() -> None:
    """As backlogs of consecutive numbers, emergencies before them, fresh ones after them."""
    handset = handset_with(
        *build_reports(4), build_report(urgency=Urgency.EMERGENCY), *build_reports(1)
    )
    sent(handset)
    handset.acked(Ack(0, [2, 1]))
    handset.link_lost()
    handset.add(*handset.number([build_report()]))
    assert handset.under_way == 0
    assert sent(handset) == [[5], [1], [3, 4], [6], [7]]


def test_a_welcome_drops_what_it_says_is_settled() -> None:
    """Refused numbers are refusals; the rest below the number is acked."""
    handset = handset_with(*build_reports(4))
    sent(handset)
    handset.link_lost()
    settled = handset.welcomed(Welcome(1, b"", 0, 3, 270, 1_024, 1, [(2, 41)]))
    assert [(item.report.sequence, item.code) for item in settled] == [
        (2, 41),
        (1, None),
        (3, None),
    ]
    assert sent(handset) == [[4]]


def test_a_refusal_for_good_settles_its_numbers_only() -> None:
    """The neighbours stay under way."""
    handset = handset_with(*build_reports(4))
    sent(handset)
    refusal = Refusal(RefusalCode.UNKNOWN_CLASS, Resend.NEVER, 2, 2)
    settled = handset.refused(refusal, now=0.0)
    assert [(item.report.sequence, item.code) for item in settled] == [(2, 41), (3, 41)]
    assert handset.under_way == 2


def test_a_refusal_for_later_waits_as_long_as_it_says() -> None:
    """The report goes again, not before its time."""
    handset = handset_with(*build_reports(2))
    sent(handset)
    assert handset.refused(Refusal(RefusalCode.BUSY, Resend.LATER, 2, 1, 30), now=100.0) == []
    assert handset.retry_at == 130.0
    assert sent(handset, now=129.9) == []
    assert sent(handset, now=130.0) == [[2]]


def test_a_refusal_without_number_settles_nothing() -> None:
    """It only makes the handset pause when it asks for that."""
    handset = handset_with(*build_reports(1))
    sent(handset)
    assert handset.refused(Refusal(RefusalCode.MALFORMED_MESSAGE, Resend.NEVER), now=1.0) == []
    assert handset.retry_at is None
    handset.refused(Refusal(RefusalCode.BUSY, Resend.LATER), now=1.0)
    assert handset.retry_at == 2.0
    assert handset.under_way == 1


def test_what_is_not_answered_in_time_goes_again() -> None:
    """Sixty seconds after it was sent; what was sent later is waited for."""
    handset = handset_with(*build_reports(1))
    sent(handset, now=0.0)
    handset.add(*handset.number([build_report()]))
    sent(handset, now=30.0)
    assert handset.overdue_at == 60.0
    handset.overdue(59.9)
    assert sent(handset, now=59.9) == []
    handset.overdue(60.0)
    assert sent(handset, now=60.0) == [[1]]
    assert handset.overdue_at == 90.0


def test_a_wiped_handset_renumbers_what_was_not_sent() -> None:
    """First everything that was sent comes home; the rest begins with number 1 again."""
    handset = build_handset()
    handset.welcomed(WELCOME)
    for report in handset.number(build_reports(5)):
        handset.add(report, wiped=report.sequence == 3)
    assert sent(handset) == [[1], [2]]
    assert not handset.must_renew
    handset.acked(Ack(2))
    assert handset.must_renew
    assert not handset.has_conflict
    assert handset.renew(77) == [(3, 1), (4, 2), (5, 3)]
    assert handset.installation == 77
    assert handset.next_sequence == 4
    assert handset.settled_through == 0
    assert not handset.must_renew
    assert sent(handset) == [[1], [2], [3]]


def test_an_emergency_behind_a_wipe_waits_for_the_new_installation() -> None:
    """It must not take a number that the new installation does not know."""
    handset = build_handset()
    handset.welcomed(WELCOME)
    reports = [*build_reports(2), build_report(urgency=Urgency.EMERGENCY)]
    for report in handset.number(reports):
        handset.add(report, wiped=report.sequence == 2)
    assert sent(handset) == [[1]]
    handset.acked(Ack(1))
    assert handset.renew(77) == [(2, 1), (3, 2)]
    assert sent(handset) == [[2], [1]]


def test_a_taken_number_begins_a_new_installation_when_all_else_is_answered() -> None:
    """So that nothing that is under way can be stored under two numbers."""
    handset = handset_with(*build_reports(3))
    sent(handset)
    handset.add(*handset.number([build_report()]))
    refusal = Refusal(RefusalCode.SEQUENCE_CONFLICT, Resend.NEVER, 2)
    assert [item.code for item in handset.refused(refusal, now=0.0)] == [48]
    assert sent(handset) == []
    assert not handset.must_renew
    handset.acked(Ack(3))
    assert handset.must_renew
    assert handset.has_conflict
    assert handset.renew(77) == [(2, 1), (4, 2)]
    assert sent(handset) == [[1], [2]]


def test_what_an_earlier_run_left_is_sent_again() -> None:
    """Perhaps it was sent: it goes as what was sent before. A taken number is dealt with first."""
    handset = build_handset(next_sequence=4)
    handset.restore(build_reports(2))
    handset.restore_conflicting([build_report(sequence=3)])
    dispatch = handset.take(0.0)
    assert dispatch is not None
    assert dispatch.is_again
    assert len(dispatch.reports) == 2
    handset.acked(Ack(2))
    assert handset.renew(77) == [(3, 1)]


def test_numbers_are_given_without_gaps() -> None:
    """A report that has its number already is not copied."""
    handset = build_handset(next_sequence=7)
    first, second = handset.number([build_report(sequence=7), build_report(sequence=1)])
    assert (first.sequence, second.sequence, handset.next_sequence) == (7, 8, 9)


@pytest.mark.parametrize("count, wants", [(FRESH_REPORTS - 1, True), (FRESH_REPORTS, False)])
def test_a_handset_holds_few_fresh_reports_in_memory(count: int, *, wants: bool) -> None:
    """At the limit it asks for no more."""
    assert handset_with(*build_reports(count)).wants_more is wants


def test_emergencies_do_not_wait_for_what_reports_wait_for() -> None:
    """They have a share of their own at the gateway."""
    handset = handset_with(*build_reports(2))
    sent(handset)
    handset.refused(Refusal(RefusalCode.TOO_MANY_REPORTS, Resend.LATER, 1, 2, 30), now=100.0)
    handset.add(build_report(sequence=3, urgency=Urgency.EMERGENCY))
    dispatch = handset.take(101.0)
    assert dispatch is not None
    assert [report.sequence for report in dispatch.reports] == [3]
    assert handset.take(102.0) is None
    handset.refused(Refusal(RefusalCode.TOO_MANY_REPORTS, Resend.LATER, 3, 1, 10), now=105.0)
    assert handset.take(114.0) is None
    assert handset.retry_at == 115.0
    dispatch = handset.take(115.0)
    assert dispatch is not None
    assert [report.sequence for report in dispatch.reports] == [3]
    assert handset.retry_at == 130.0
