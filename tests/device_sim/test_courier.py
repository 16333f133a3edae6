"""Tests of the courier: greeting, answers and record."""

from pathlib import Path

import pytest

from device_sim.courier import Courier, NotAdmittedError, UntrustedGatewayError
from device_sim.faults import Circumstance, Fault, Rates
from device_sim.outbox import Outbox, State
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import Ack, Message, Ping, Refusal, WireBacklog, WireReport
from gateway.protocol.proof import Greeting, derive_keys, verify_device_proof
from gateway.protocol.task_messages import (
    Answer,
    Noted,
    Receipt,
    TaskAnswer,
    TaskKind,
    TaskNoted,
    TaskReceipt,
)
from tests.helpers.builders import build_report, build_reports, build_task
from tests.helpers.couriers import (
    DEVICE,
    INSTALLATION,
    SECRET,
    build_courier,
    open_outbox,
    welcome_to,
    write_all,
)

NONCE = bytes(12)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An empty one."""
    return open_outbox(tmp_path)


def welcome(courier: Courier, through: int = 0) -> None:
    """Greet and be welcome."""
    courier.receive(welcome_to(courier.hello(NONCE), NONCE, through=through), 0.0)


def send_all(courier: Courier, now: float = 0.0) -> list[Message]:
    """Send what may go."""
    messages = []
    while outgoing := courier.next_outgoing(now):
        messages.append(outgoing.message)
    return messages


def states(outbox: Outbox) -> list[State]:
    """What the record says of each report."""
    outbox.flush()
    return [entry.state for entry in outbox.entries()]


def test_the_hello_proves_the_secret_over_tcp_only(outbox: Outbox) -> None:
    """Over MQTT the broker has checked who publishes."""
    courier = build_courier(outbox)
    hello = courier.hello(NONCE)
    greeting = Greeting(NONCE, hello.nonce, DEVICE, INSTALLATION)
    assert verify_device_proof(derive_keys(SECRET), greeting, hello.proof)
    assert courier.hello(None).proof == b""
    assert courier.hello(None).nonce != hello.nonce


def test_a_report_is_in_the_outbox_before_it_can_be_sent(outbox: Outbox) -> None:
    """And nothing is sent before a welcome."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(2))
    assert len(outbox.unsettled(DEVICE, INSTALLATION)) == 2
    assert send_all(courier) == []
    welcome(courier)
    assert len(send_all(courier)) == 2


def test_a_false_welcome_is_not_believed(outbox: Outbox) -> None:
    """Neither it nor an ack behind it settles anything."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(1))
    hello = courier.hello(NONCE)
    with pytest.raises(UntrustedGatewayError):
        courier.receive(welcome_to(hello, NONCE, secret=bytes(32)), 0.0)
    courier.receive(Ack(1), 0.0)
    assert not courier.is_welcome
    assert states(outbox) == [State.UNSETTLED]


def test_a_welcome_to_an_earlier_greeting_is_not_believed(outbox: Outbox) -> None:
    """Each hello has a nonce of its own."""
    courier = build_courier(outbox)
    stale = courier.hello(None)
    courier.hello(None)
    with pytest.raises(UntrustedGatewayError):
        courier.receive(welcome_to(stale), 0.0)


def test_a_welcome_nobody_asked_for_is_not_believed(outbox: Outbox) -> None:
    """Before the first hello there is nothing that it could prove."""
    courier = build_courier(outbox)
    hello = build_courier(outbox).hello(None)
    with pytest.raises(UntrustedGatewayError):
        courier.receive(welcome_to(hello), 0.0)


def test_only_an_ack_that_covers_a_report_marks_it(outbox: Outbox) -> None:
    """The record, the counts and the latency come from it."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(3))
    welcome(courier)
    send_all(courier, now=1.0)
    courier.receive(Ping(), 1.0)
    courier.receive(Ack(0, [2, 1]), 1.5)
    assert states(outbox) == [State.UNSETTLED, State.ACKED, State.UNSETTLED]
    assert courier.tally.acked == 1
    assert list(courier.tally.ack_seconds) == [0.5]
    assert not courier.is_finished
    courier.receive(Ack(3), 2.0)
    assert courier.is_finished


def test_an_ack_on_a_link_without_welcome_counts_for_nothing(outbox: Outbox) -> None:
    """A new link needs a new welcome."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(1))
    welcome(courier)
    send_all(courier)
    courier.link_lost()
    courier.receive(Ack(1), 0.0)
    assert states(outbox) == [State.UNSETTLED]


def test_resends_are_counted(outbox: Outbox) -> None:
    """What goes again after a lost link, as one backlog."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(3))
    welcome(courier)
    send_all(courier)
    courier.link_lost()
    welcome(courier, through=1)
    (message,) = send_all(courier)
    assert isinstance(message, WireBacklog)
    assert message.first_sequence == 2
    tally = courier.tally
    assert (tally.transmissions, tally.resends, tally.backlogs, tally.frames) == (5, 2, 1, 4)
    assert outbox.totals().transmissions == 5


def test_refusals_are_recorded_with_their_code(outbox: Outbox) -> None:
    """For good: refused. For later: kept."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(2))
    welcome(courier)
    send_all(courier)
    courier.receive(Refusal(RefusalCode.UNKNOWN_GRID, Resend.NEVER, 1), 0.0)
    courier.receive(Refusal(RefusalCode.BUSY, Resend.LATER, 2), 0.0)
    assert states(outbox) == [State.REFUSED, State.UNSETTLED]
    assert courier.tally.refused == {42: 1}
    assert courier.tally.asked_later == 1


def test_a_greeting_refused_for_good_ends_the_handset(outbox: Outbox) -> None:
    """A refusal that may pass does not."""
    courier = build_courier(outbox)
    courier.hello(NONCE)
    courier.receive(Refusal(RefusalCode.BUSY, Resend.LATER), 0.0)
    with pytest.raises(NotAdmittedError, match="NOT_ADMITTED"):
        courier.receive(Refusal(RefusalCode.NOT_ADMITTED, Resend.NEVER), 0.0)


def test_a_wipe_renumbers_in_the_record_and_asks_for_a_new_greeting(outbox: Outbox) -> None:
    """Nothing goes under the old greeting any more."""
    courier = build_courier(outbox)
    first, second = build_reports(2)
    courier.write(1, [Circumstance(first), Circumstance(second, wiped=True)])
    welcome(courier)
    assert len(send_all(courier)) == 1
    courier.receive(Ack(1), 0.0)
    assert courier.handset.installation == INSTALLATION + 1
    assert not courier.is_welcome
    assert courier.is_first_of_installation
    assert send_all(courier) == []
    found = [(entry.installation, entry.report.sequence) for entry in outbox.entries()]
    assert found == [(INSTALLATION, 1), (INSTALLATION + 1, 1)]
    assert (courier.tally.wipes, courier.tally.conflicts) == (1, 0)
    welcome(courier)
    assert len(send_all(courier)) == 1


def test_a_taken_number_is_given_up(outbox: Outbox) -> None:
    """The report goes on under a new installation; the refusal stays in the record."""
    courier = build_courier(outbox)
    write_all(courier, build_reports(1))
    welcome(courier)
    send_all(courier)
    courier.receive(Refusal(RefusalCode.SEQUENCE_CONFLICT, Resend.NEVER, 1), 0.0)
    assert states(outbox) == [State.REFUSED, State.UNSETTLED]
    assert courier.tally.conflicts == 1
    assert not courier.is_finished


def test_a_second_run_takes_up_where_the_first_ended(outbox: Outbox, tmp_path: Path) -> None:
    """Installation, numbers and what is unsettled come from the file."""
    first = build_courier(outbox)
    write_all(first, build_reports(3))
    welcome(first)
    send_all(first)
    first.receive(Ack(1), 0.0)
    outbox.flush()
    second = build_courier(open_outbox(tmp_path))
    assert second.handset.installation == INSTALLATION
    assert second.handset.next_sequence == 4
    assert second.hello(None).settled_through == 1
    welcome(second)
    (message,) = send_all(second)
    assert isinstance(message, WireBacklog)


def test_a_repeated_report_is_one_that_was_acked(outbox: Outbox) -> None:
    """Before any ack there is none to repeat."""
    courier = build_courier(outbox, Rates(0, 0, 1, 0, 0, 0))
    write_all(courier, build_reports(2))
    welcome(courier)
    first = courier.next_outgoing(0.0)
    assert first is not None
    assert first.repeated is None
    courier.receive(Ack(1), 0.0)
    second = courier.next_outgoing(0.0)
    assert second is not None
    assert isinstance(second.repeated, WireReport)
    assert second.repeated.sequence == 1
    assert courier.tally.faults == {Fault.REPEAT: 1}
    assert courier.tally.resends == 1


def test_an_outage_is_handed_to_the_link(outbox: Outbox) -> None:
    """With the report that the link goes away with."""
    courier = build_courier(outbox)
    courier.write(1, [Circumstance(build_report(), offline=True, outage_seconds=30.0)])
    assert courier.outage_seconds == 30.0
    assert courier.tally.outages == 1


def test_a_task_is_noted_answered_and_ended_by_its_receipt(outbox: Outbox) -> None:
    """The handset has something to do until then. Before a welcome nothing is believed."""
    courier = build_courier(outbox)
    courier.is_all_written = True
    courier.receive(build_task(), 0.0)
    assert courier.is_finished
    welcome(courier)
    courier.receive(build_task(), 1.0)
    noted, answer = send_all(courier, now=1.0)
    assert noted == TaskNoted(1, Noted.RECEIVED)
    assert isinstance(answer, TaskAnswer)
    assert courier.retry_at == 61.0
    assert not courier.is_finished
    courier.receive(TaskReceipt(1, Receipt.ACCEPTED), 2.0)
    assert courier.is_finished


def test_a_handset_that_may_still_get_tasks_does_not_finish(outbox: Outbox) -> None:
    """Until it is dismissed."""
    courier = build_courier(outbox)
    courier.is_all_written = courier.stays_on = True
    assert not courier.is_finished
    courier.dismiss()
    assert courier.is_finished


@pytest.mark.parametrize(
    "rates, faults, repeated",
    [
        (Rates(0, 1, 0, 0, 0, 0), [Fault.NONE, Fault.LOST_ACK], False),
        (Rates(0, 0, 1, 0, 0, 0), [Fault.REPEAT, Fault.REPEAT], True),
        (Rates(1, 0, 0, 0, 0, 0), [Fault.CUT, Fault.CUT], False),
    ],
)
def test_what_is_said_of_tasks_has_faults_too(
    outbox: Outbox, rates: Rates, faults: list[Fault], *, repeated: bool
) -> None:
    """A note has no reply that could be lost; what is repeated is the message itself."""
    courier = build_courier(outbox, rates)
    welcome(courier)
    courier.receive(build_task(), 0.0)
    sent = [courier.next_outgoing(0.0), courier.next_outgoing(0.0)]
    assert [outgoing and outgoing.fault for outgoing in sent] == faults
    assert all(outgoing and bool(outgoing.repeated) is repeated for outgoing in sent)
    assert courier.tally.faults.total() == len(faults) - faults.count(Fault.NONE)


def test_a_wiped_handset_shows_its_tasks_again(outbox: Outbox) -> None:
    """They come again under the new installation, and are new there. It is wiped at once when
    nothing is under way.
    """
    courier = build_courier(outbox)
    welcome(courier)
    courier.receive(build_task(kind=TaskKind.NOTICE), 0.0)
    courier.write(1, [Circumstance(build_report(), wiped=True)])
    assert send_all(courier) == [TaskNoted(1, Noted.RECEIVED)]
    assert courier.handset.installation == INSTALLATION + 1
    assert not courier.is_welcome
    welcome(courier)
    courier.receive(build_task(kind=TaskKind.NOTICE), 0.0)
    assert TaskNoted(1, Noted.RECEIVED) in send_all(courier)
    assert [entry.shown for entry in outbox.tasks.entries()] == [1, 1]


def test_a_link_that_is_lost_takes_the_answer_back(outbox: Outbox) -> None:
    """It goes again after the next welcome, the same."""
    courier = build_courier(outbox)
    welcome(courier)
    courier.receive(build_task(), 0.0)
    _, first = send_all(courier)
    courier.link_lost()
    assert courier.retry_at is None
    welcome(courier)
    assert send_all(courier) == [first]
    assert isinstance(first, TaskAnswer)
    assert first.answer in set(Answer)
