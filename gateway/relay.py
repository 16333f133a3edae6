"""Publishes what is committed: at least once, in order, and never before it is committed.

One relay at a time leads, whichever gateway it lives in; it publishes for all. Its loops:
emergencies, on the topic of their own, as soon as they are committed; everything, in the order of
the stream; and keeping the house. What the broker has acked is marked. What was published and
not marked when a relay ends is published once more by the next, with the same ids.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

from gateway import observe_events
from gateway.event_rows import EventMaker, Published
from gateway.events import sequence_of
from gateway.leadership import Lead, LeadershipLostError, leadership
from gateway.publications import Publication, Publications, Row
from gateway.publisher import BrokerGoneError, Flight, Publisher
from gateway.reference import Reference
from gateway.retry import back_off, heed_cancellation
from gateway.runs import Stretch, portions, stretches
from gateway.settings import RelaySettings
from gateway.store_errors import TRANSIENT_ERRORS, StoreUnavailableError

ROUND_REPORTS: Final = 2_000
"""Most reports that are marked together: what a relay that is killed may publish twice."""

PORTION_REPORTS: Final = 256
"""Reports read and held at a time: some 5 ms of the event loop."""

SLICE_EVENTS: Final = 16
"""Events published before others get their turn: under a millisecond of the event loop."""

FOLLOW_SECONDS: Final = 1.0
"""How often a relay that does not lead tries to."""

STATE_SECONDS: Final = 2.0
"""How often the figures of an operator are read."""

MakeEvent = Callable[[Row, str], Published]
"""From a row and its sequence."""
FORGET_SECONDS: Final = 2.0
"""How often old notes are deleted, `FORGOTTEN_AT_ONCE` at a time: faster than they are made."""

_AWAY: Final = (StoreUnavailableError, BrokerGoneError, LeadershipLostError, *TRANSIENT_ERRORS)


class Relay:
    """Leads, or waits to lead.

    Args:
        settings: How fast, how long.
        dsn: Where the database is.
        publications: What is to be published.
        publisher: The connection to the broker.
        reference: Names of classes and streets.
        is_busy: Whether reports are being written: they go before their events.
        is_counted: Whether this installation counts what it stores; notes are kept until then.
    """

    def __init__(
        self,
        settings: RelaySettings,
        dsn: str,
        publications: Publications,
        publisher: Publisher,
        reference: Reference,
        is_busy: Callable[[], bool],
        *,
        is_counted: bool = True,
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._publications = publications
        self._publisher = publisher
        self._reference = reference
        self._is_busy = is_busy
        self._is_counted = is_counted
        self._numbering = asyncio.Lock()
        self._pace = asyncio.Lock()
        self._ordinary_due = asyncio.Event()
        self._alone_due = asyncio.Event()
        self._others_due = asyncio.Event()
        self._is_done = asyncio.Event()
        self._is_leading = False
        self._has_worked = False
        """Whether it got through a round since it leads: only then the waits begin anew."""

    async def run(self) -> None:
        """Publish until cancelled. A database or broker that is away is tried again and again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="relay state")
            tasks.create_task(self._take_turns(), name="relay turns")

    async def _take_turns(self) -> None:
        delays = back_off()
        while True:
            await self._publisher.connected.wait()
            delay_seconds = FOLLOW_SECONDS
            self._has_worked = False
            try:
                async with leadership(self._dsn, self._notified) as lead:
                    if lead is not None:
                        await self._lead(lead)
            except* _AWAY as group:
                if self._has_worked:
                    delays = back_off()
                delay_seconds = next(delays)
                observe_events.relay_paused(group.exceptions[0], delay_seconds)
            except* Exception as group:  # noqa: BLE001 - a bug here must not cost a single report
                delay_seconds = next(delays)
                observe_events.relay_failed(group, delay_seconds)
            heed_cancellation()
            await asyncio.sleep(delay_seconds)

    async def drain(self, timeout_seconds: float) -> None:
        """Publish what is committed by now, if this relay leads and there is time; the next relay
        publishes the rest.
        """
        self._is_done.clear()
        for due in (self._alone_due, self._others_due, self._ordinary_due):
            due.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds if self._is_leading else 0):
                await self._is_done.wait()

    def _notified(self) -> None:
        """An emergency was committed, or a task has changed."""
        self._alone_due.set()

    async def _lead(self, lead: Lead) -> None:
        maker = EventMaker(await self._publications.source(), self._reference)
        observe_events.relay_leads(leads=True)
        self._is_leading = True
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = (self._hurry_alone, self._hurry_others, self._deliver, self._keep_house)
                for loop in loops:
                    tasks.create_task(_despite_bugs(loop, maker), name=f"relay {loop.__name__}")
                await lead.until_lost()  # here, and not in a task: see `heed_cancellation`
        finally:
            self._is_leading = False
            observe_events.relay_leads(leads=False)

    # The loops of a relay that leads.

    async def _hurry_alone(self, maker: EventMaker) -> None:
        """Emergencies that were sent by themselves wait for nothing."""
        while True:
            self._alone_due.clear()
            async with self._numbering:
                publications = await self._publications.number_unhurried()
            if publications:
                await self._hurry(maker, publications, waits=False)
            else:
                await self._until(self._alone_due)

    async def _hurry_others(self, maker: EventMaker) -> None:
        """Those that a handset had in its backlog go before all reports, at the pace of these."""
        while True:
            self._others_due.clear()
            publications = await self._publications.unhurried()
            if publications:
                await self._hurry(maker, publications, waits=True)
            else:
                await self._until(self._others_due)

    async def _hurry(
        self, maker: EventMaker, publications: Sequence[Publication], *, waits: bool
    ) -> None:
        """Publish the emergencies among some publications on the topic of their own."""
        flight = self._publisher.flight(urgent=True)
        count = 0
        for portion in portions(_stretches(publications), PORTION_REPORTS):
            rows = await self._publications.reports(portion, only_emergencies=True)
            events = [maker.emergency(row, sequence_of(at, index)) for at, index, row in rows]
            count += await self._publish(flight, events, waits=waits)
        await flight.landed()
        await self._publications.hurried([p.position for p in publications])
        observe_events.emergencies_published(count)

    async def _deliver(self, maker: EventMaker) -> None:
        while True:
            self._ordinary_due.clear()
            await self._number()
            publications = await self._publications.undelivered(ROUND_REPORTS)
            if not publications:
                self._has_worked = True
                if not self._ordinary_due.is_set():  # else more was committed since the look
                    self._is_done.set()
                await self._until(self._ordinary_due)
                continue
            flight = self._publisher.flight()
            count = 0
            for group in _groups(publications):
                for portion in portions(_stretches(group), PORTION_REPORTS):
                    events = [
                        maker.report(row, sequence_of(position, index))
                        for position, index, row in await self._publications.reports(portion)
                    ]
                    count += await self._publish(flight, events)
                others = await self._other_events(maker, group[-1])
                count += await self._publish(flight, others)
            await flight.landed()
            await self._publications.delivered([p.position for p in publications])
            self._has_worked = True
            observe_events.events_published(count)

    async def _publish(
        self, flight: Flight, events: Sequence[Published], *, waits: bool = True
    ) -> int:
        """Publish in slices, between which other work gets its turn. Returns how many. All who wait
        share one pace.
        """
        for begin in range(0, len(events), SLICE_EVENTS):
            part = events[begin : begin + SLICE_EVENTS]
            async with self._pace if waits else contextlib.nullcontext():
                for event in part:
                    await flight.publish(event)
                await asyncio.sleep(self._rest_seconds(len(part)) if waits else 0)
        return len(events)

    def _rest_seconds(self, events: int) -> float:
        """How long to rest after so many events: reports that are being written go first."""
        return events / self._settings.busy_events_per_second if self._is_busy() else 0.0

    async def _other_events(self, maker: EventMaker, publication: Publication) -> list[Published]:
        """What a publication holds beside reports; mostly nothing."""
        source = self._publications
        kinds: tuple[tuple[list[int], Callable[..., Awaitable[Sequence[Row]]], MakeEvent], ...] = (
            (publication.quarantine_ids, source.quarantined, maker.quarantined),
            (publication.task_change_ids, source.task_changes, maker.task_change),
            (publication.task_verdict_ids, source.task_verdicts, maker.task_verdict),
            (publication.budget_warning_ids, source.budget_warnings, maker.budget_warning),
        )
        index, events = publication.reports, []
        for ids, rows_of, make in kinds:
            rows = {row["id"]: row for row in await rows_of(ids)} if ids else {}
            for place, row_id in enumerate(ids, start=index):
                if row_id in rows:  # one that was deleted leaves its place empty
                    events.append(make(rows[row_id], sequence_of(publication.position, place)))
            index += len(ids)
        return events

    async def _keep_house(self, _maker: EventMaker) -> None:
        """Forget what was delivered long ago."""
        after = timedelta(days=self._settings.keep_days)
        while True:
            await self._publications.forget(after, only_counted=self._is_counted)
            await asyncio.sleep(FORGET_SECONDS)

    async def _watch(self) -> None:
        """Read what an operator sees, on each gateway: also while no broker is there to lead for,
        and so none leads.
        """
        while True:
            with contextlib.suppress(StoreUnavailableError):  # others say so
                observe_events.relay_state(await self._publications.state())
            await asyncio.sleep(STATE_SECONDS)

    async def _number(self) -> None:
        async with self._numbering:
            await self._publications.number()

    async def _until(self, due: asyncio.Event) -> None:
        """Wait for a notification, at most until the next look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_seconds):
                await due.wait()


async def _despite_bugs(loop: Callable[[EventMaker], Awaitable[None]], maker: EventMaker) -> None:
    """Run a loop without end. A bug of ours in one must not stop the others."""
    for delay_seconds in back_off():
        try:
            await loop(maker)
        except _AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            observe_events.relay_failed(error, delay_seconds)
            await asyncio.sleep(delay_seconds)


def _stretches(publications: Sequence[Publication]) -> Iterator[Stretch]:
    return chain.from_iterable(stretches(p.position, p.runs) for p in publications)


def _groups(publications: Sequence[Publication]) -> Iterator[list[Publication]]:
    """The publications in order, divided behind each that holds more than reports: so that nothing
    of one device overtakes what was stored before it.
    """
    group: list[Publication] = []
    for publication in publications:
        group.append(publication)
        if publication.holds_more_than_reports:
            yield group
            group = []
    if group:
        yield group
