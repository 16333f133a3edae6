"""Tests of a session over TCP, against a gateway on a memory stream."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from device_sim.courier import Courier, NotAdmittedError, UntrustedGatewayError
from device_sim.faults import Circumstance, Rates
from device_sim.outbox import State
from device_sim.session import Ending
from device_sim.tcp_link import TcpSession
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.limits import HEARTBEAT_SECONDS, REPLY_TIMEOUT_SECONDS
from gateway.protocol.messages import Goodbye, Hello, Ping, Pong, Refusal, WireBacklog
from gateway.protocol.task_messages import Noted, TaskAnswer, TaskNoted, TaskWithdrawal
from tests.helpers.builders import NOW, build_reports, build_task
from tests.helpers.couriers import SLOW_REPLIES, build_courier, open_outbox, write_all
from tests.helpers.scripted_gateway import ScriptedGateway, link_pair, run_against


@pytest.fixture
def courier(tmp_path: Path) -> Courier:
    """A courier without faults."""
    return build_courier(open_outbox(tmp_path))


def session_with(courier: Courier) -> tuple[TcpSession, ScriptedGateway]:
    """A session and the gateway at the other end."""
    link, theirs = link_pair(courier)
    return TcpSession(link, courier), ScriptedGateway(theirs)


@pytest.mark.trio
async def test_everything_is_sent_acked_and_said_goodbye_to(courier: Courier) -> None:
    """Greeting, reports, acks, goodbye; the bytes are counted both ways."""
    write_all(courier, build_reports(40))
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.FINISHED
    assert gateway.numbers == list(range(1, 41))
    assert isinstance(gateway.received[0], Hello)
    assert gateway.received[-1] == Goodbye(GoodbyeReason.NORMAL)
    assert courier.tally.acked == 40
    assert courier.tally.traffic.up > 40 * 20
    assert courier.tally.traffic.down > 50


@pytest.mark.trio
async def test_reports_written_during_the_session_go_at_once(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """No clock has to pass."""
    session, gateway = session_with(courier)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_against, session, gateway)
        await trio.sleep(10)
        write_all(courier, build_reports(1))
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.numbers == [1]
    assert trio.current_time() == pytest.approx(10)


@pytest.mark.trio
async def test_a_silent_link_is_kept_alive(courier: Courier, autojump_clock: MockClock) -> None:
    """One ping in each heartbeat; a ping of the gateway is answered."""
    session, gateway = session_with(courier)
    began = trio.current_time()

    async def end_later() -> None:
        await trio.sleep(2.5 * HEARTBEAT_SECONDS)
        await gateway.send(Ping())
        await gateway.send(Goodbye(GoodbyeReason.SHUTTING_DOWN, 30))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run)
        # Pings are not answered by the script: a pong stands in for the gateway's.
        nursery.start_soon(answer_pings, gateway)
        nursery.start_soon(end_later)
        assert await session.run(lambda: None) is Ending.LOST
        nursery.cancel_scope.cancel()
    assert gateway.received.count(Ping()) == 2
    assert session.retry_after_seconds == 30
    assert trio.current_time() - began == pytest.approx(2.5 * HEARTBEAT_SECONDS)


async def answer_pings(gateway: ScriptedGateway) -> None:
    """A pong for each ping, a second later."""
    answered = 0
    while True:
        await trio.sleep(1)
        if gateway.received.count(Ping()) > answered:
            answered += 1
            await gateway.send(Pong())


@pytest.mark.trio
async def test_a_gateway_that_never_acks_is_given_up(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """After the time that the protocol states; the report stays."""
    write_all(courier, build_reports(1))
    session, gateway = session_with(courier)
    gateway.acks = False
    assert await run_against(session, gateway) is Ending.LOST
    assert trio.current_time() == pytest.approx(REPLY_TIMEOUT_SECONDS)
    assert not courier.is_finished


@pytest.mark.trio
async def test_a_stream_that_breaks_ends_the_session(courier: Courier) -> None:
    """Whether it is closed or lost."""
    write_all(courier, build_reports(1))
    session, gateway = session_with(courier)
    await trio.aclose_forcefully(gateway.stream)
    assert await session.run(lambda: None) is Ending.LOST


@pytest.mark.trio
async def test_a_refused_greeting_is_raised(courier: Courier) -> None:
    """To try again would be pointless."""
    session, gateway = session_with(courier)
    gateway.welcomes = False

    async def refuse() -> None:
        await trio.testing.wait_all_tasks_blocked()
        await gateway.send(Refusal(RefusalCode.NOT_ADMITTED, Resend.NEVER))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run)
        nursery.start_soon(refuse)
        with pytest.raises(NotAdmittedError):
            await session.run(lambda: None)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_gateway_that_cannot_prove_itself_is_not_believed(
    courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its welcome was made with another nonce."""
    session, gateway = session_with(courier)
    monkeypatch.setattr(gateway, "nonce", bytes(12))
    greeting = courier.hello

    def hello(_: bytes | None) -> Hello:
        return greeting(b"another nonc")

    monkeypatch.setattr(courier, "hello", hello)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run)
        with pytest.raises(UntrustedGatewayError):
            await session.run(lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert gateway.received[-1] == Goodbye(GoodbyeReason.PROTOCOL_ERROR)


@pytest.mark.trio
async def test_a_cut_leaves_half_a_frame(tmp_path: Path) -> None:
    """The gateway has got nothing of it that it could read."""
    courier = build_courier(open_outbox(tmp_path), Rates(1, 0, 0, 0, 0, 0))
    write_all(courier, build_reports(2))
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.CUT
    assert gateway.numbers == []
    assert gateway.connection.buffered_bytes > 10


@pytest.mark.trio
async def test_a_lost_ack_leaves_the_report_unsettled(tmp_path: Path) -> None:
    """The gateway has it, the handset does not know."""
    outbox = open_outbox(tmp_path)
    courier = build_courier(outbox, Rates(0, 1, 0, 0, 0, 0))
    write_all(courier, build_reports(2))
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.CUT
    assert gateway.numbers == [1]
    outbox.flush()
    assert {entry.state for entry in outbox.entries()} == {State.UNSETTLED}


@pytest.mark.trio
async def test_a_half_open_connection_is_left_open(tmp_path: Path) -> None:
    """The session ends without a word."""
    courier = build_courier(open_outbox(tmp_path), Rates(0, 0, 0, 1, 0, 0))
    write_all(courier, build_reports(1))
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.HALF_OPEN
    assert not any(isinstance(message, Goodbye) for message in gateway.received)


@pytest.mark.trio
async def test_an_acked_report_is_repeated(tmp_path: Path) -> None:
    """By the fault of that name; the gateway gets it twice and acks it twice."""
    courier = build_courier(open_outbox(tmp_path), Rates(0, 0, 1, 0, 0, 0))
    courier.write(1, [Circumstance(report) for report in build_reports(1)])
    session, gateway = session_with(courier)

    async def write_more() -> None:
        await trio.testing.wait_all_tasks_blocked()
        courier.write(2, [Circumstance(report) for report in build_reports(1)])
        courier.is_all_written = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_more)
        assert await run_against(session, gateway) is Ending.FINISHED
    assert gateway.numbers == [1, 2, 1]


@pytest.mark.trio
async def test_a_wipe_ends_the_session_with_a_goodbye(courier: Courier) -> None:
    """The next greeting is of another installation, and brings the rest under new numbers."""
    first, second, third = build_reports(3)
    courier.write(1, [Circumstance(first), Circumstance(second, wiped=True), Circumstance(third)])
    courier.is_all_written = True
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.RENEWED
    assert gateway.numbers == [1]
    assert gateway.received[-1] == Goodbye(GoodbyeReason.NORMAL)
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.FINISHED
    assert gateway.numbers == [1, 2]


@pytest.mark.trio
async def test_a_wipe_before_the_first_report_ends_the_session_too(courier: Courier) -> None:
    """Nothing was sent: the new installation begins with the welcome of the old one."""
    (report,) = build_reports(1)
    courier.write(1, [Circumstance(report, wiped=True)])
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.RENEWED
    assert gateway.numbers == []


@pytest.mark.trio
async def test_an_outage_cuts_the_link(courier: Courier) -> None:
    """What was written without it goes as a backlog with the next one."""
    reports = build_reports(3)
    courier.write(1, [Circumstance(one, offline=True, outage_seconds=60.0) for one in reports])
    courier.is_all_written = True
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.CUT
    courier.link_lost()
    courier.outage_seconds = 0.0
    session, gateway = session_with(courier)
    assert await run_against(session, gateway) is Ending.FINISHED
    assert [type(message) for message in gateway.received] == [Hello, WireBacklog, Goodbye]


@pytest.mark.trio
async def test_a_pause_that_the_gateway_asks_for_is_kept(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """The same link sends again when it is over."""
    write_all(courier, build_reports(1))
    session, gateway = session_with(courier)
    gateway.acks = False

    async def refuse_once() -> None:
        await trio.testing.wait_all_tasks_blocked()
        gateway.acks = True
        await gateway.send(Refusal(RefusalCode.BUSY, Resend.LATER, 1, 1, 20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse_once)
        assert await run_against(session, gateway) is Ending.FINISHED
    assert gateway.numbers == [1, 1]
    assert trio.current_time() == pytest.approx(20)


@pytest.mark.trio
async def test_a_task_is_noted_at_once_and_answered_when_the_inspector_is_ready(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The session wakes for it, and ends when the receipt has come."""
    courier = build_courier(open_outbox(tmp_path), task_plan=SLOW_REPLIES)
    write_all(courier, build_reports(1))
    session, gateway = session_with(courier)
    gateway.tasks = [build_task(expires_at=NOW + 60), TaskWithdrawal(9)]
    began = trio.current_time()
    assert await run_against(session, gateway) is Ending.FINISHED
    hello, *others, answer, goodbye = gateway.received
    assert isinstance(hello, Hello)
    assert isinstance(answer, TaskAnswer)
    assert answer.answered_at == NOW + 30
    assert TaskNoted(1, Noted.RECEIVED) in others
    assert TaskNoted(9, Noted.WITHDRAWN) in others
    assert goodbye == Goodbye(GoodbyeReason.NORMAL)
    assert trio.current_time() - began == pytest.approx(30)


@pytest.mark.trio
async def test_an_answer_without_receipt_goes_again_in_the_next_session(
    courier: Courier, autojump_clock: MockClock
) -> None:
    """The link is taken for dead after a minute; the task itself is not shown a second time."""
    courier.is_all_written = courier.stays_on = True
    answers = []
    for receipts in (False, True):
        session, gateway = session_with(courier)
        gateway.tasks, gateway.receipts = [build_task()], receipts
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.run)
            with trio.move_on_after(REPLY_TIMEOUT_SECONDS + 1):
                assert await session.run(lambda: None) is Ending.LOST
            nursery.cancel_scope.cancel()
        courier.link_lost()
        answers += [said for said in gateway.received if isinstance(said, TaskAnswer)]
        assert gateway.received.count(TaskNoted(1, Noted.RECEIVED)) == 1
    first, second = answers
    assert first == second
    assert courier.tasks.is_idle
    assert courier.tally.tasks.shown == 1
