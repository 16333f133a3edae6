"""The desk for tasks: what workflow services ask for and what devices say of their tasks waits here
in one bounded queue and is committed many at a time.

Whoever brought something hears of it only after the commit: a device gets its receipt, a message of
the broker its PUBACK. While the database is away all wait.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from gateway import observe, observe_tasks
from gateway.handlers.outcome import reject_answer
from gateway.protocol.task_messages import TaskReceipt
from gateway.retry import back_off
from gateway.session import TaskReply
from gateway.store_errors import StoreUnavailableError
from gateway.task_request import Action, decode_asked
from gateway.task_work import Fate, FromDevice, RequestVerdict, Work

MAX_WAITING: Final = 2_000
"""What may wait: some 4 MB of usual requests and answers. What finds no room is dropped unacked,
and comes again."""

MAX_WAITING_OF_DEVICE: Final = 200
"""What may wait of one device: a tenth of the places, and more tasks than an inspector has open."""

MAX_BATCH: Final = 64
"""Most done in one transaction: with three statements each some 50 ms."""


class WorkStore(Protocol):
    """Where work is committed."""

    async def settle(self, works: Sequence[Work]) -> list[RequestVerdict | Fate]:
        """See `Tasks.settle`."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A piece of work and who is to be told of it."""

    work: Work
    on_done: Callable[[RequestVerdict | Fate], None]
    on_given_up: Callable[[], None]


class TaskDesk:
    """The queue and the task that empties it."""

    def __init__(self, tasks: WorkStore) -> None:
        self._tasks = tasks
        self._waiting: deque[_Waiting] = deque()
        self._of_device: Counter[int] = Counter()
        self._is_working = False
        self._draining = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    def take_reply(self, reply: TaskReply) -> None:
        """Take what a device said of a task. Never blocks."""
        session = reply.session
        work = FromDevice(session.device_id, session.installation, reply.reply)
        self._take(_Waiting(work, lambda done: _tell_device(reply, done), reply.give_up))

    def take_request(
        self,
        action: Action,
        body: bytes,
        on_settled: Callable[[], None],
        on_given_up: Callable[[], None],
    ) -> None:
        """Take a request or a cancellation in JSON; what is malformed gets its verdict too. Never
        blocks. One of the two is called: when the verdict is committed, or when there is no room.
        """

        def done(_verdict: RequestVerdict | Fate) -> None:
            on_settled()

        self._take(_Waiting(decode_asked(action, body), done, on_given_up))

    def statistics(self) -> int:
        """How much waits."""
        return len(self._waiting)

    async def run(self) -> None:
        """Commit what comes until drained or cancelled; then the rest is given up."""
        try:
            while not (self._draining and not self._waiting):
                await self._next_batch()
        finally:
            self._give_up(self._waiting)
            self._waiting.clear()
            self._idle.set()

    async def drain(self, timeout_seconds: float) -> None:
        """Commit what waits, then let `run` end; what takes longer than this is left to it."""
        self._draining = True
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self._waiting or self._is_working:
                    self._idle.clear()
                    await self._idle.wait()

    def _take(self, waiting: _Waiting) -> None:
        work = waiting.work
        device_id = work.device_id if isinstance(work, FromDevice) else None
        if len(self._waiting) >= MAX_WAITING or (
            device_id is not None and self._of_device[device_id] >= MAX_WAITING_OF_DEVICE
        ):
            observe_tasks.task_work_dropped()
            waiting.on_given_up()
            return
        if device_id is not None:
            self._of_device[device_id] += 1
        self._waiting.append(waiting)
        self._wake.set()

    async def _next_batch(self) -> None:
        while not self._waiting:
            if self._draining:
                return
            self._wake.clear()
            await self._wake.wait()
        batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        # What is left of a counter at 0 would stay for ever.
        self._of_device -= Counter(
            waiting.work.device_id for waiting in batch if isinstance(waiting.work, FromDevice)
        )
        self._is_working = True
        try:
            await self._settle(batch)
        finally:
            self._is_working = False
            self._idle.set()

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Commit together, or one by one where a bug of ours is in the way: it must cost only the
        work that meets it, which is given up.
        """
        try:
            done = await self._commit([waiting.work for waiting in batch])
        except asyncio.CancelledError:
            self._give_up(batch)
            raise
        except Exception as error:  # noqa: BLE001 - see above
            if len(batch) == 1:
                observe_tasks.task_work_failed(error)
                self._give_up(batch)
                return
            for place, waiting in enumerate(batch):
                try:
                    await self._settle([waiting])
                except asyncio.CancelledError:
                    self._give_up(batch[place + 1 :])
                    raise
            return
        for waiting, result in zip(batch, done, strict=True):
            observe_tasks.task_work_done(waiting.work, result)
            _call(partial(waiting.on_done, result))

    async def _commit(self, works: list[Work]) -> list[RequestVerdict | Fate]:
        for delay_seconds in back_off():
            try:
                return await self._tasks.settle(works)
            except StoreUnavailableError as error:
                observe_tasks.task_work_retried(error, len(works), delay_seconds)
                await asyncio.sleep(delay_seconds)
        raise AssertionError("back_off never ends")

    def _give_up(self, batch: Sequence[_Waiting]) -> None:
        for waiting in batch:
            _call(waiting.on_given_up)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - one session's bug must not cost others' receipts
        observe.callback_failed(error)


def _tell_device(reply: TaskReply, fate: RequestVerdict | Fate) -> None:
    """The receipt, and the PUBACK; what is not accepted goes to quarantine first."""
    assert isinstance(fate, Fate)  # noqa: S101 - what a device says has a fate
    if fate.code is not None:
        outcome = reject_answer(reply.reply.task, fate.code, fate.detail)
        reply.session.store(outcome, reply.body, reply.on_settled, reply.on_given_up)
        return
    if fate.receipt is not None:
        reply.session.send([TaskReceipt(reply.reply.task, fate.receipt)])
    if reply.on_settled:
        reply.on_settled()
