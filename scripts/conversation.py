"""A session between two `Connection`s, a device's and a gateway's, frame by frame.

What is stored is decided by the gateway's own handlers and acked by its own tracker; only the
database is left out, as if every commit worked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.protocol.acks import AckTracker
from gateway.protocol.connection import Connection, Event
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import Ack, Goodbye, Message, Ping, Refusal
from gateway.protocol.state import Role
from gateway.protocol.task_messages import TaskNoted, TaskReceipt
from gateway.protocol.wire_report import pack_report
from scripts import wire_examples as given


@dataclass(frozen=True, slots=True)
class Line:
    """One frame of the conversation."""

    sender: str
    frame: bytes
    meaning: str


def converse() -> Iterator[Line]:
    """Greeting, welcome, report, ack, the same again, a refused report, ping, a task, goodbye."""
    gateway, device = Connection(Role.GATEWAY, 0), Connection(Role.DEVICE, 0)
    acks = AckTracker(given.SETTLED_THROUGH)

    def say(sender: Connection, message: Message, meaning: str) -> tuple[Line, Event]:
        sender.send(message, 0)
        frame = sender.data_to_send()
        hearer = device if sender is gateway else gateway
        hearer.receive_data(frame, 0)
        event = hearer.next_event()
        if event != message:
            raise AssertionError(f"{message} was heard as {event}")
        return Line("D" if sender is device else "G", frame, meaning), event

    yield say(gateway, given.challenge(), "challenge: version 1, nonce")[0]
    yield say(device, given.hello(), _hello())[0]
    yield say(gateway, given.welcome(), _welcome())[0]
    ordinary = pack_report(given.ORDINARY, given.EDITION)
    bad = msgspec.structs.replace(ordinary, sequence=43, class_code=999)
    for message, meaning in (
        (ordinary, "report 42: class 0102, deflated text"),
        (ordinary, "the same report again, as if the ack had been lost"),
        (bad, "report 43: the same with class 0999, which does not exist"),
        (Ping(), "ping"),
    ):
        line, event = say(device, message, meaning)
        yield line
        for answer in _answers(event, acks):
            yield say(gateway, answer, _answer(answer))[0]
    yield say(gateway, given.VERIFY, _task())[0]
    yield say(device, TaskNoted(given.VERIFY.task), "task-noted: task 1001, received")[0]
    yield say(device, given.VERIFIED, "task-answer: task 1001, EXISTS, time, deflated text")[0]
    yield say(gateway, TaskReceipt(given.VERIFIED.task), "task-receipt: task 1001, ACCEPTED")[0]
    yield say(device, Goodbye(GoodbyeReason.NORMAL.value), "goodbye: reason 0, NORMAL")[0]


def _answers(event: Event, acks: AckTracker) -> Iterator[Message]:
    outcome = HANDLERS[type(event)](event, Context(given.TABLES, given.NOW))
    yield from outcome.replies
    for item in outcome.rejected:
        yield Refusal(item.code.value, Resend.NEVER.value, item.sequence or 0)
    acks.settle(report.sequence for report in outcome.reports)
    acks.settle(item.sequence for item in outcome.rejected if item.sequence is not None)
    yield from acks.take_acks()


def _hello() -> str:
    hello = given.hello()
    return (
        f"hello: version 1, device {hello.device}, installation {hello.installation},"
        f" settled through {hello.settled_through}, nonce, proof"
    )


def _welcome() -> str:
    welcome = given.welcome()
    return (
        f"welcome: version 1, proof, server time {welcome.server_time},"
        f" settled through {welcome.settled_through}, heartbeat {welcome.heartbeat_seconds} s,"
        f" window {welcome.window_reports}, edition {welcome.edition}"
    )


def _task() -> str:
    task = given.VERIFY
    return (
        f"task {task.task}: VERIFY, issued at {task.issued_at}, expires at {task.expires_at},"
        f" deflated text, case {task.case_number}, grid, position, one picture"
    )


def _answer(message: Message) -> str:
    match message:
        case Ack():
            return f"ack: everything up to {message.through} is settled"
        case Refusal():
            code = RefusalCode(message.code)
            return f"refusal: code {code.value}, {code.name}, resend never, {message.sequence}"
    return given.message_name(type(message))
