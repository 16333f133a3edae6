"""Vectors of the messages about tasks, in the forms that matter."""

from collections.abc import Iterator

import msgpack
import msgspec

from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.messages import Refusal
from gateway.protocol.task_messages import (
    Answer,
    Noted,
    Receipt,
    Task,
    TaskAnswer,
    TaskKind,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
    Withdrawal,
)
from gateway.protocol.text import GB18030_EXT_TYPE
from scripts import wire_examples as given
from scripts.vectors_frames import Vector, frame

_CHECK = "回头看新木路12号门前雨水井盖是否修复。"


def task_frame_vectors() -> Iterator[Vector]:
    """A task's way to the handset, the answer's way back, and what ends either."""
    yield from _tasks()
    yield from _answers()
    yield from _newer_peers()


def _tasks() -> Iterator[Vector]:
    yield frame("task-verify", given.VERIFY, "All fields; the text is deflated.")
    check = Task(
        task=1_002,
        kind=TaskKind.CHECK.value,
        issued_at=given.NOW,
        expires_at=given.NOW + 3_600,
        text=_CHECK,
        case_number="LG-2008-000417",
        grid=44_030_700_300_102,
    )
    yield frame("task-check-text-utf8", check, "No position and no pictures: left out.")
    extension = msgpack.ExtType(GB18030_EXT_TYPE, _CHECK.encode("gb18030"))
    yield frame(
        "task-check-text-gb18030",
        msgspec.structs.replace(check, text=extension),
        "The same task: a handset reads all three forms.",
    )
    notice = Task(2**53 - 1, TaskKind.NOTICE.value, given.NOW, given.NOW + 7_200, "14点开会")
    yield frame("task-notice", notice, "The largest number; all that may be absent is left out.")
    yield frame(
        "task-with-empty-fields-between",
        msgspec.structs.replace(notice, pictures=["https://pictures.example/plan.png"]),
        "Only what stands behind the last value may be left out.",
    )
    yield frame("task-noted-received", TaskNoted(1_001), "`what` is 0 and left out.")
    yield frame("task-noted-withdrawn", TaskNoted(1_001, Noted.WITHDRAWN.value), "")
    yield frame("task-withdrawal-cancelled", TaskWithdrawal(1_001), "`reason` is 0: left out.")
    yield frame(
        "task-withdrawal-superseded",
        TaskWithdrawal(1_001, Withdrawal.SUPERSEDED.value),
        "Another task takes its place, and comes as a task of its own.",
    )


def _answers() -> Iterator[Vector]:
    yield frame("task-answer", given.VERIFIED, "It exists, with a text.")
    yield frame(
        "task-answer-without-text",
        TaskAnswer(1_002, Answer.PASSED.value, given.NOW + 1_800),
        "The repair is good, and nothing more to say.",
    )
    yield frame("task-receipt-accepted", TaskReceipt(1_001), "`receipt` is 0 and left out.")
    yield frame(
        "task-receipt-late",
        TaskReceipt(1_001, Receipt.LATE.value),
        "Kept with the task, which was over. Do not send it again.",
    )
    yield frame(
        "task-receipt-not-accepted",
        TaskReceipt(1_001, Receipt.NOT_ACCEPTED.value),
        "Goes with one of the two refusals below. Do not send it again.",
    )
    for name, code in (
        ("refusal-unknown-task", RefusalCode.UNKNOWN_TASK),
        ("refusal-bad-answer", RefusalCode.BAD_ANSWER),
    ):
        yield frame(
            name,
            Refusal(code.value, Resend.NEVER.value),
            "About an answer: the receipt beside it says to which task.",
        )


def _newer_peers() -> Iterator[Vector]:
    notice = Task(1_003, TaskKind.NOTICE.value, given.NOW, given.NOW + 7_200, "14点开会")
    fields = [16, *msgspec.structs.astuple(notice), "a field of the future"]
    yield frame(
        "task-with-a-field-of-the-future",
        notice,
        "A newer gateway may append fields: ignore them.",
        body=msgpack.packb(fields),
    )
    yield frame(
        "task-of-a-kind-of-the-future",
        msgspec.structs.replace(notice, kind=9),
        "An unknown kind: show it as a notice.",
    )
    yield frame(
        "task-receipt-of-the-future",
        TaskReceipt(1_001, 9),
        "An unknown receipt: the answer is committed all the same.",
    )
    yield frame(
        "task-withdrawal-of-the-future",
        TaskWithdrawal(1_001, 9),
        "An unknown reason: it is withdrawn all the same.",
    )
    yield frame(
        "task-noted-with-default",
        TaskNoted(1_001),
        "A field may be sent although it has its value when absent.",
        body=msgpack.packb([17, 1_001, 0]),
    )
