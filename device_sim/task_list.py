"""What one handset knows of its tasks, and what it says of them next. No I/O and no clock.

Two clocks are told: Unix seconds of the handset's clock, as the last welcome corrected it, for what
an inspector does; seconds of the event loop for what is under way on the link.

What was noted, and was not told before the link broke, is forgotten: the gateway sends the task or
its withdrawal again. An answer is sent again after each welcome, and after `REPLY_TIMEOUT_SECONDS`,
until its receipt comes.
"""

from collections.abc import Iterable
from enum import Enum, unique

import msgspec

from gateway.protocol.limits import REPLY_TIMEOUT_SECONDS
from gateway.protocol.task_messages import Noted, TaskAnswer, TaskNoted
from gateway.protocol.text import encode_text


class Reply(msgspec.Struct, frozen=True):
    """What the inspector will answer, and when."""

    answer: int
    text: str
    due_at: float
    """Unix time."""


class Held(msgspec.Struct):
    """A task on the handset."""

    number: int
    reply: Reply | None = None
    """What is still to be answered; None before or after, and for what is never answered."""
    answer: TaskAnswer | None = None
    """The answer that was given."""
    was_sent: bool = False
    """Whether the answer was, or perhaps was, sent on any link."""
    sent_at: float | None = None
    """When it was sent on the present link, by the event loop's clock."""
    receipt: int | None = None
    is_withdrawn: bool = False

    @property
    def waits_for_receipt(self) -> bool:
        """Whether the answer was given and has still to come home."""
        return self.answer is not None and self.receipt is None


@unique
class Arrival(Enum):
    """What is made of a task that comes."""

    NEW = "new"
    """Note it durably and show it."""
    AGAIN = "again"
    """It is there already, or was withdrawn: only noted again."""
    EXPIRED = "expired"
    """Its time is over: neither shown nor noted."""


class TaskList:
    """The tasks of one installation."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._withdrawn: set[int] = set()
        """Numbers of withdrawals whose task never came."""
        self._notes: dict[int, TaskNoted] = {}
        """What is to be told; one for each task at most, so the tasks bound it."""

    def restore(self, held: Iterable[Held], withdrawn: Iterable[int]) -> None:
        """Take over what an earlier run of the program left."""
        self._held = {task.number: task for task in held}
        self._withdrawn = set(withdrawn)

    # What comes.

    def arrival(self, number: int, expires_at: int, now: float) -> Arrival:
        """What to make of a task that came at Unix time `now`."""
        if number in self._held or number in self._withdrawn:
            return Arrival.AGAIN
        return Arrival.NEW if now < expires_at else Arrival.EXPIRED

    def show(self, number: int, reply: Reply | None) -> None:
        """Take a new task, which was made durable. It is told."""
        self._held[number] = Held(number, reply)
        self._note(number, Noted.RECEIVED)

    def note_again(self, number: int) -> None:
        """Tell once more what is known of a task."""
        held = self._held.get(number)
        gone = held is None or held.is_withdrawn
        self._note(number, Noted.WITHDRAWN if gone else Noted.RECEIVED)

    def withdraw(self, number: int) -> None:
        """Take a task off the screen. An answer that was not sent is dropped, one that was sent
        waits for its receipt. A task that is unknown here is never shown, should it come later.
        """
        held = self._held.get(number)
        if held is None:
            self._withdrawn.add(number)
        else:
            held.is_withdrawn, held.reply = True, None
            if not held.was_sent:
                held.answer = None
        self._note(number, Noted.WITHDRAWN)

    def settle(self, number: int, receipt: int) -> bool:
        """End an answer, whatever its receipt says; whether one waited for it."""
        held = self._held.get(number)
        if held is None or not held.waits_for_receipt:
            return False
        held.receipt = receipt
        return True

    def _note(self, number: int, what: Noted) -> None:
        self._notes[number] = TaskNoted(number, what)

    # What the inspector does.

    def answer_due(self, now: float) -> list[Held]:
        """The tasks that the inspector answers by Unix time `now`. Make them durable at once."""
        answered = []
        for held in self._held.values():
            reply = held.reply
            if reply is not None and reply.due_at <= now:
                text = encode_text(reply.text)
                held.answer = TaskAnswer(held.number, reply.answer, int(reply.due_at), text)
                held.reply = None
                answered.append(held)
        return answered

    # What goes.

    def take(self, now: float) -> TaskNoted | TaskAnswer | None:
        """What to say next, at `now` of the event loop's clock; None when there is nothing."""
        for number in self._notes:
            return self._notes.pop(number)
        for held in self._held.values():
            is_due = held.sent_at is None or now >= held.sent_at + REPLY_TIMEOUT_SECONDS
            if held.waits_for_receipt and is_due:
                held.sent_at, held.was_sent = now, True
                return held.answer
        return None

    def link_lost(self) -> None:
        """Nothing is under way any more."""
        self._notes.clear()
        for held in self._held.values():
            held.sent_at = None

    # What is left to do.

    @property
    def is_idle(self) -> bool:
        """Whether nothing has to be said or answered any more."""
        return not self._notes and not any(
            held.reply or held.waits_for_receipt for held in self._held.values()
        )

    @property
    def answer_due_at(self) -> float | None:
        """Unix time at which the inspector answers next, or None."""
        replies = (held.reply for held in self._held.values())
        return min((reply.due_at for reply in replies if reply is not None), default=None)

    @property
    def overdue_at(self) -> float | None:
        """When the answer that is longest under way has to be sent again, or None."""
        sent = (held.sent_at for held in self._held.values() if held.waits_for_receipt)
        earliest = min((at for at in sent if at is not None), default=None)
        return None if earliest is None else earliest + REPLY_TIMEOUT_SECONDS
