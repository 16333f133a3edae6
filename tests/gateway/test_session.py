"""A device's conversation, whatever the transport: what is stored, acked, refused and counted."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.allowance import MAX_DEFIED, Allowances
from gateway.handlers.outcome import Answered, Outcome, Rejected
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_FRAME_BYTES, MAX_SEQUENCE
from gateway.protocol.messages import (
    Ack,
    BadFrame,
    Goodbye,
    Message,
    Ping,
    Pong,
    Refusal,
    WireTrack,
)
from gateway.protocol.report import Urgency
from gateway.protocol.task_messages import Answer, Receipt, TaskAnswer, TaskNoted, TaskReceipt
from gateway.protocol.wire_report import pack_track
from gateway.session import Session, Station, TaskReply, item_count, numbers, refusals
from gateway.settings import LimitSettings
from tests.helpers.builders import EDITION_2007, NOW, TABLES, build_reports, build_track
from tests.helpers.metrics import TCP, LedgerOfMetrics, grown
from tests.helpers.wire import backlog, wire

STORED, DUPLICATE = Verdict.STORED, Verdict.DUPLICATE
QUARANTINED, FAILED = Verdict.QUARANTINED, Verdict.FAILED


class Bench:
    """A session whose parcels, replies and turns of the loop the test holds in its hands."""

    def __init__(
        self,
        settled_through: int = 0,
        *,
        limits: LimitSettings | None = None,
        transport: Transport = Transport.TCP,
    ) -> None:
        self.refused: list[int] = []
        self.ended: list[int] = []
        self.parcels: list[Parcel] = []
        self.sent: list[list[Message]] = []
        self.soon: list[Callable[[], None]] = []
        self.seconds = 0.0
        self.task_replies: list[TaskReply] = []
        station = Station(
            tables=TABLES,
            offer=self.parcels.append,
            refused=lambda _transport, items: self.refused.append(items),
            unix_time=lambda: float(NOW),
            monotonic=lambda: self.seconds,
            call_soon=self.soon.append,
            take_task_reply=self.task_replies.append,
            allowances=Allowances(limits),
        )
        self.session = Session(
            station,
            5,
            7,
            transport,
            settled_through=settled_through,
            send=self.sent.append,
            end=self.ended.append if transport is Transport.TCP else None,
        )

    def settle(self, place: int, *verdicts: ItemVerdict) -> None:
        """Storage's word on a parcel."""
        parcel = self.parcels[place]
        parcel.on_settled(parcel, list(verdicts))

    def store(self, place: int, verdict: Verdict = STORED) -> None:
        """The same verdict on all of a parcel."""
        self.settle(
            place, *(ItemVerdict(v.sequence, verdict) for v in self.parcels[place].failed())
        )

    def turn(self) -> list[Message]:
        """End this turn of the event loop; what was sent in it."""
        due, self.soon[:] = self.soon[:], []
        for callback in due:
            callback()
        sent = [message for messages in self.sent for message in messages]
        self.sent.clear()
        return sent


@pytest.fixture
def bench() -> Bench:
    """A new session of device 5."""
    return Bench()


def test_a_report_becomes_a_parcel(bench: Bench) -> None:
    """With the device, the installation, the transport and the frame as it came."""
    bench.session.handle(wire(1), b"the frame")
    (parcel,) = bench.parcels
    assert (parcel.device_id, parcel.installation, parcel.transport) == (5, 7, Transport.TCP)
    assert parcel.frame == b"the frame"
    assert [report.sequence for report in parcel.reports] == [1]
    assert bench.session.unsettled_items == 1


def test_an_emergency_is_an_urgent_parcel(bench: Bench) -> None:
    """Also one that is refused: its device waits for the answer just as much."""
    bench.session.handle(wire(1), b"")
    bench.session.handle(wire(2, urgency=Urgency.EMERGENCY), b"")
    bench.session.handle(wire(3, urgency=Urgency.EMERGENCY, class_code=9), b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, True, True]
    assert bench.parcels[2].rejected


def test_nothing_is_acked_before_the_verdict(bench: Bench) -> None:
    """The ack comes after the commit, at the end of the turn."""
    bench.session.handle(wire(1), b"")
    assert bench.turn() == []
    bench.store(0)
    assert bench.sent == []
    assert bench.turn() == [Ack(1)]
    assert bench.session.unsettled_items == 0


def test_the_acks_of_one_turn_are_one(bench: Bench) -> None:
    """Many frames in a batch make one small frame."""
    for number in (1, 2, 3, 5):
        bench.session.handle(wire(number), b"")
    for place in (3, 0, 2, 1):
        bench.store(place)
    assert bench.turn() == [Ack(3, [2, 1])]
    assert bench.turn() == []


def test_a_duplicate_gets_the_same_ack(bench: Bench) -> None:
    """The device has missed the first."""
    for _ in range(2):
        bench.session.handle(wire(1), b"")
    bench.store(0)
    assert bench.turn() == [Ack(1)]
    bench.store(1, DUPLICATE)
    assert bench.turn() == [Ack(1)]


def test_acks_go_on_from_the_greeting(bench: Bench) -> None:
    """What was settled in earlier sessions is covered."""
    later = Bench(settled_through=100)
    later.session.handle(wire(101), b"")
    later.store(0)
    assert later.turn() == [Ack(101)]


def test_what_is_given_up_is_neither_acked_nor_refused(bench: Bench) -> None:
    """But it does not count against the window any more, and the transport is told."""
    settled: list[str] = []
    bench.session.handle(
        wire(1), b"", lambda: settled.append("settled"), lambda: settled.append("given up")
    )
    bench.store(0, FAILED)
    assert bench.turn() == []
    assert bench.session.unsettled_items == 0
    assert settled == ["given up"]


def test_the_transport_is_told_of_the_commit(bench: Bench) -> None:
    """Once for each frame; at once for one that stores nothing."""
    settled: list[str] = []
    bench.session.handle(wire(1), b"", lambda: settled.append("report"))
    assert settled == []
    bench.store(0)
    bench.session.handle(Ping(), b"", lambda: settled.append("ping"))
    bench.session.handle(Pong(), b"", lambda: settled.append("pong"))
    bench.session.handle(Goodbye(0), b"", lambda: settled.append("goodbye"))
    assert settled == ["report", "ping", "pong", "goodbye"]


def test_a_refusal_goes_out_before_the_ack_that_covers_it(bench: Bench) -> None:
    """Else a device would delete a report as stored that is not."""
    bench.session.handle(wire(1), b"")
    bench.session.handle(wire(2, class_code=9), b"")
    (rejected,) = bench.parcels[1].rejected
    assert (rejected.sequence, rejected.code) == (2, RefusalCode.UNKNOWN_CLASS)
    bench.store(0)
    bench.settle(1, ItemVerdict(2, QUARANTINED, RefusalCode.UNKNOWN_CLASS))
    assert bench.turn() == [Refusal(RefusalCode.UNKNOWN_CLASS, Resend.NEVER, 2), Ack(2)]


def test_one_bad_report_in_a_backlog_costs_only_itself(bench: Bench) -> None:
    """The others are acked."""
    bench.session.handle(backlog(3), b"")
    bench.settle(
        0,
        ItemVerdict(1, STORED),
        ItemVerdict(2, QUARANTINED, RefusalCode.UNSTORABLE),
        ItemVerdict(3, DUPLICATE),
    )
    assert bench.turn() == [Refusal(RefusalCode.UNSTORABLE, Resend.NEVER, 2), Ack(3)]
    assert bench.session.statistics.counts() == {
        "frames": 1,
        "stored": 1,
        "duplicate": 1,
        "quarantined": 1,
    }


def test_a_track_is_stored_and_acked_like_a_report(bench: Bench) -> None:
    """It shares the sequence numbers."""
    track = pack_track(build_track(sequence=1), EDITION_2007)
    bench.session.handle(track, b"")
    assert [track.sequence for track in bench.parcels[0].tracks] == [1]
    bench.store(0)
    assert bench.turn() == [Ack(1)]


def test_a_bad_frame_without_a_number_is_refused_and_not_acked(bench: Bench) -> None:
    """There is no number that an ack could cover."""
    bad = BadFrame(b"?", RefusalCode.MALFORMED_MESSAGE, "no message")
    bench.session.handle(bad, b"?")
    assert bench.parcels[0].rejected == [Rejected(None, bad.code, bad.detail)]
    bench.settle(0, ItemVerdict(None, QUARANTINED, RefusalCode.MALFORMED_MESSAGE))
    assert bench.turn() == [Refusal(RefusalCode.MALFORMED_MESSAGE, Resend.NEVER)]


def test_a_ping_is_answered_at_once(bench: Bench) -> None:
    """It waits for no verdict and counts as nothing received."""
    ledger = LedgerOfMetrics()
    bench.session.handle(Ping(), b"")
    assert bench.sent == [[Pong()]]
    assert ledger.counts() == {}


def test_received_and_ack_latency_are_counted(bench: Bench) -> None:
    """Items when they come, seconds when the ack is under way."""
    ledger = LedgerOfMetrics()
    seconds, acks = grown("gateway_ack_seconds_sum", TCP), grown("gateway_ack_seconds_count", TCP)
    bench.session.handle(backlog(3), b"")
    assert ledger.counts() == {"received": 3, "in_flight": 3}
    bench.seconds = 0.25
    bench.store(0)
    assert seconds() == pytest.approx(0.25)
    assert acks() == 1


def test_what_is_said_of_a_task_goes_to_the_desk(bench: Bench) -> None:
    """With its frame and callbacks; it is no parcel, and counts neither as received nor against
    the window. Over TCP nobody is told that it was given up: the session goes on.
    """
    ledger, told = LedgerOfMetrics(), list[str]()
    given_up = lambda: told.append("given up")  # noqa: E731 -- once
    bench.session.handle(TaskNoted(3), b"1", lambda: told.append("settled"), given_up)
    bench.session.handle(TaskAnswer(3, Answer.EXISTS, 9, "在"), b"2", None, given_up)
    note, answer = bench.task_replies
    assert (note.session, note.reply, note.body) == (bench.session, TaskNoted(3), b"1")
    assert (answer.reply, answer.body) == (Answered(3, Answer.EXISTS, 9, "在"), b"2")
    assert (bench.session.unsettled_items, bench.parcels, ledger.counts()) == (0, [], {})
    assert note.on_settled
    note.on_settled()
    note.give_up()
    answer.give_up()
    assert told == ["settled"]


def test_an_answer_that_cannot_be_read(bench: Bench) -> None:
    """The refusal, then the receipt: both behind the commit, like all of its turn."""
    told: list[str] = []
    bench.session.handle(TaskAnswer(3, 99, 9), b"frame", lambda: told.append("settled"))
    assert (bench.parcels[0].frame, bench.turn(), told) == (b"frame", [], [])
    bench.settle(0, ItemVerdict(None, QUARANTINED, RefusalCode.BAD_ANSWER))
    assert bench.turn() == [
        Refusal(RefusalCode.BAD_ANSWER, Resend.NEVER),
        TaskReceipt(3, Receipt.NOT_ACCEPTED),
    ]
    assert told == ["settled"]


def test_an_answer_that_is_given_up_gets_no_receipt(bench: Bench) -> None:
    """The device keeps it."""
    bench.session.handle(TaskAnswer(3, 99, 9), b"frame")
    bench.settle(0, ItemVerdict(None, FAILED))
    assert bench.turn() == []


def verdict(sequence: int | None, code: RefusalCode | None) -> ItemVerdict:
    """In quarantine with this code, or stored without one."""
    return ItemVerdict(sequence, QUARANTINED if code else STORED, code)


TEXT, TIME = RefusalCode.BAD_TEXT, RefusalCode.BAD_TIME


def test_a_run_of_refused_numbers_is_one_refusal() -> None:
    """Consecutive numbers with the same code; a gap or another code begins a new one."""
    codes = {1: TEXT, 2: TEXT, 3: None, 4: TEXT, 5: TIME, 6: TIME, 9: TIME}
    told = refusals([verdict(number, code) for number, code in codes.items()])
    assert [(r.code, r.sequence, r.count) for r in told] == [
        (TEXT, 1, 2),
        (TEXT, 4, 1),
        (TIME, 5, 2),
        (TIME, 9, 1),
    ]


def test_refusals_without_a_number_are_not_joined() -> None:
    """Each is about a frame of its own."""
    told = refusals([verdict(None, TEXT), verdict(None, TEXT), verdict(1, TEXT)])
    assert [(r.sequence, r.count) for r in told] == [(0, 1), (0, 1), (1, 1)]


def test_a_refusal_names_at_most_a_backlog() -> None:
    """Its count has a largest value; what goes beyond is in the next."""
    told = refusals([verdict(number, TEXT) for number in range(1, 301)])
    assert [(r.sequence, r.count) for r in told] == [(1, 255), (256, 45)]


def test_nothing_in_quarantine_is_no_refusal() -> None:
    """Duplicates least of all."""
    assert not list(refusals([ItemVerdict(1, STORED), ItemVerdict(2, DUPLICATE)]))


def test_how_many_items_a_message_brings() -> None:
    """What the ledger counts: reports, tracks, and what a bad frame was to bring."""
    track: WireTrack = pack_track(build_track(points=5), EDITION_2007)
    bad = BadFrame(b"", TEXT, "", 4, 17)
    messages = (wire(1), backlog(9), track, bad, Ping(), Goodbye(0))
    assert [item_count(message) for message in messages] == [1, 9, 1, 17, 0, 0]


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
        assert bench.session.may_jump() is (number < 403)
        bench.session.handle(wire(number, urgency=Urgency.EMERGENCY), b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, True, True]
    assert bench.turn() == [Refusal(*LATER_61, 403, 1, 26)]
    other = Bench(limits=FEW)
    for number in (1, 2, 3):
        other.session.handle(wire(number, urgency=Urgency.EMERGENCY), b"")
    assert [parcel.urgent for parcel in other.parcels] == [True, True, False]


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
        bench.store(place, QUARANTINED)
    bench.turn()
    bench.session.handle(wire(301), b"")
    bench.session.handle(wire(302, urgency=Urgency.EMERGENCY), b"")
    assert [parcel.urgent for parcel in bench.parcels] == [False, False, False, True]
    assert bench.turn() == [Refusal(*LATER_61, 301, 1, 60)]


def test_numbers_of_a_message() -> None:
    """What a refusal names; a message without reports has none."""
    assert numbers(wire(5)) == (5, 1)
    assert numbers(backlog(3)) == (1, 3)
    assert numbers(BadFrame(b"", RefusalCode.MALFORMED_MESSAGE, "", 7, 9)) == (7, 9)
    assert numbers(BadFrame(b"", RefusalCode.UNKNOWN_MESSAGE, "")) == (0, 1)
    assert numbers(BadFrame(b"", RefusalCode.MALFORMED_MESSAGE, "", MAX_SEQUENCE, 9)) == (
        MAX_SEQUENCE,
        1,
    )
    assert numbers(Ping()) == (0, 1)
