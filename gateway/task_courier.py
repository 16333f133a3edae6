"""Brings tasks to the devices that are here: when they arrive, when the database says that there is
something, and every few seconds what is due again.

One statement looks for all devices together, so a thousand that greet after an outage cost a few.
The claim is committed before anything is sent; of two gateways only one sends. What is lost on the
way is due again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from gateway import observe_tasks
from gateway.attendance import Attendance
from gateway.protocol.task_messages import Task
from gateway.retry import back_off
from gateway.session import Session
from gateway.store_errors import StoreUnavailableError
from gateway.tasks import MAX_CLAIMED, Claimed


class TaskStore(Protocol):
    """Where tasks are."""

    async def claim_due(
        self, devices: Sequence[tuple[int, int]], after: int = 0
    ) -> Sequence[Claimed]:
        """See `Tasks.claim_due`."""
        ...

    async def claim_arrived(
        self, devices: Sequence[tuple[int, int]], after: int = 0
    ) -> Sequence[Claimed]:
        """See `Tasks.claim_arrived`."""
        ...

    async def expire(self) -> int:
        """See `Tasks.expire`."""
        ...


class TaskCourier:
    """Listens to the attendance, and delivers."""

    def __init__(
        self,
        tasks: TaskStore,
        attendance: Attendance,
        *,
        poll_seconds: float,
        unix_time: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._tasks = tasks
        self._attendance = attendance
        self._poll_seconds = poll_seconds
        self._unix_time = unix_time
        self._monotonic = monotonic
        self._arrived: dict[int, Session] = {}
        self._look = True
        """Whether there may be something new for anybody."""
        self._wake = asyncio.Event()
        attendance.listen(self)

    # Called by the attendance and the listener.

    def arrived(self, session: Session) -> None:
        """A device has greeted: look for it alone."""
        self._arrived[session.device_id] = session
        self._wake.set()

    def left(self, session: Session) -> None:
        """It gets its tasks when it greets again."""
        self._arrived.pop(session.device_id, None)

    def wake(self) -> None:
        """There is something new for somebody."""
        self._look = True
        self._wake.set()

    def statistics(self) -> int:
        """How many devices have greeted and were not looked for yet."""
        return len(self._arrived)

    # The work.

    async def run(self) -> None:
        """Deliver until cancelled. While the database is away, devices wait; after a bug of ours
        too.
        """
        delays = back_off()
        next_poll = self._monotonic()
        while True:
            if self._monotonic() >= next_poll:
                self._look = True
                next_poll = self._monotonic() + self._poll_seconds
            try:
                await self._round()
                delays = back_off()
            except Exception as error:  # noqa: BLE001 - a bug here must not end the taking of reports
                delay_seconds = next(delays)
                if isinstance(error, StoreUnavailableError):
                    observe_tasks.tasks_wait(error, delay_seconds)
                else:
                    observe_tasks.task_delivery_failed(error, delay_seconds)
                self._look = True
                await asyncio.sleep(delay_seconds)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(next_poll - self._monotonic(), 0)):
                    await self._wake.wait()
            self._wake.clear()

    async def _round(self) -> None:
        """Look for those that have arrived, then, if there may be something, for all."""
        arrived = [session for session in self._arrived.values() if session.is_listening()]
        if arrived:
            await self._deliver(self._tasks.claim_arrived, arrived)
            for session in arrived:
                if self._arrived.get(session.device_id) is session:
                    del self._arrived[session.device_id]
        if not self._look:
            return
        self._look = False
        while expired := await self._tasks.expire():
            observe_tasks.tasks_expired(expired)
        here = map(self._attendance.session_of, self._attendance.devices())
        listening = [session for session in here if session and session.is_listening()]
        if listening:
            await self._deliver(self._tasks.claim_due, listening)

    async def _deliver(
        self,
        claim: Callable[[Sequence[tuple[int, int]], int], Awaitable[Sequence[Claimed]]],
        sessions: Sequence[Session],
    ) -> None:
        devices = [(session.device_id, session.installation) for session in sessions]
        after = 0
        while True:
            claimed = await claim(devices, after)
            self._send(claimed)
            if len(claimed) < MAX_CLAIMED:
                return
            after = claimed[-1].message.task

    def _send(self, claimed: Iterable[Claimed]) -> None:
        """Send what was claimed to who is still here; nothing whose time has passed meanwhile."""
        tasks = withdrawals = 0
        now = self._unix_time()
        for item in claimed:
            session, message = self._attendance.session_of(item.device_id), item.message
            if session is None or (isinstance(message, Task) and message.expires_at <= now):
                continue
            session.send([message])
            if isinstance(message, Task):
                tasks += 1
            else:
                withdrawals += 1
        observe_tasks.tasks_sent(tasks, withdrawals)
