"""A device's conversation, whatever the transport: what is stored, acked, refused and counted."""

import pytest

from gateway.handlers.outcome import Answered, Rejected
from gateway.parcel import ItemVerdict, Transport, Verdict
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import (
    Ack,
    BadFrame,
    Goodbye,
    Ping,
    Pong,
    Refusal,
    WireTrack,
)
from gateway.protocol.report import Urgency
from gateway.protocol.task_messages import Answer, Receipt, TaskAnswer, TaskNoted, TaskReceipt
from gateway.protocol.wire_report import pack_track
from gateway.session import item_count, numbers, refusals
from tests.helpers.builders import EDITION_2007, build_track
from tests.helpers.metrics import TCP, LedgerOfMetrics, grown
from tests.helpers.session_bench import Bench
from tests.helpers.wire import backlog, wire

STORED, DUPLICATE = Verdict.STORED, Verdict.DUPLICATE
QUARANTINED, FAILED = Verdict.QUARANTINED, Verdict.FAILED


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
