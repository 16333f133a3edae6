"""What links carry, read and written every few seconds."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from gateway.parcel import Transport
from gateway.settings import MeterSettings
from gateway.store_errors import StoreUnavailableError
from gateway.traffic_account import Row, TrafficAccount
from gateway.traffic_meter import READ_AT_ONCE, Link, TrafficMeter
from gateway.traffic_table import Addition
from tests.helpers.metrics import TCP, grown

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 11, 24, 15, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 24, 16, tzinfo=UTC).timestamp()
DAY, NEXT_DAY = date(2026, 11, 24), date(2026, 11, 25)


class Counter:
    """A connection that has carried what a test says."""

    def __init__(self, up: int = 0, down: int = 0) -> None:
        self.up = up
        self.down = down
        self.reads = 0

    def read(self, _now: float) -> tuple[int, int]:
        """What the test says."""
        self.reads += 1
        return self.up, self.down

    def close(self, _now: float, *, by_peer: bool) -> tuple[int, int]:
        """A hundred more each way; with a goodbye ten more."""
        return self.up + 100 + 10 * by_peer, self.down + 100


class MemoryTable:
    """Keeps what is added; fails as often as a test wants."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failures: list[Exception] = []
        self.added = asyncio.Event()

    async def add(self, addition: Addition) -> None:
        """See `TrafficTable.add`."""
        if self.failures:
            raise self.failures.pop()
        self.rows += addition.rows
        self.added.set()


class Rig:
    """A station whose clock stands at noon in China."""

    def __init__(self, most_rows: int = 1_000, flush_seconds: float = 3_600) -> None:
        self.table = MemoryTable()
        self.unix_time = NOON
        self.meter = TrafficMeter(
            self.table,
            MeterSettings(flush_seconds=flush_seconds),
            unix_time=lambda: self.unix_time,
            monotonic=lambda: 0.0,
            account=TrafficAccount(most_rows),
        )

    def link(self, counter: Counter, device: int = 1) -> Link:
        """A greeted connection."""
        link = self.meter.begin(Transport.TCP, counter)
        link.belongs_to(device)
        link.connected()
        return link

    async def flushed(self) -> list[Row]:
        """What a round writes."""
        self.table.rows.clear()
        await self.meter.flush()
        return list(self.table.rows)


async def test_a_round_writes_what_came_since_the_last() -> None:
    """All of it from before the greeting, too; then the difference, then nothing."""
    rig, counter = Rig(), Counter(700, 300)
    rig.link(counter)
    assert await rig.flushed() == [(DAY, 1, "tcp", 700, 300, 0, 1, 0, 1)]
    counter.up += 30
    assert await rig.flushed() == [(DAY, 1, "tcp", 30, 0, 0, 1, 0, 0)]
    assert await rig.flushed() == []


async def test_the_end_counts_at_once() -> None:
    """With what closing takes; a link that is over is not read again."""
    rig, counter = Rig(), Counter(10, 20)
    rig.link(counter).end(by_peer=True)
    assert rig.meter.statistics() == 1
    assert await rig.flushed() == [(DAY, 1, "tcp", 120, 120, 0, 1, 0, 1)]
    counter.up = 9_999
    assert await rig.flushed() == []


async def test_connections_of_a_device_are_rounded_each_by_itself() -> None:
    """Two of a few bytes are two KiB, in one row."""
    rig = Rig()
    for _ in range(2):
        rig.link(Counter()).end(by_peer=False)
    assert await rig.flushed() == [(DAY, 1, "tcp", 200, 200, 0, 2, 0, 2)]


async def test_night_and_midnight() -> None:
    """What is read at night is of the night; behind midnight of the next day. A KiB that is begun
    already is not begun again.
    """
    rig, counter = Rig(), Counter(1_000, 0)
    rig.link(counter)
    await rig.flushed()
    rig.unix_time, counter.up = NIGHT, 1_024
    assert await rig.flushed() == [(DAY, 1, "tcp", 24, 0, 24, 0, 0, 0)]
    rig.unix_time, counter.up = MIDNIGHT, 1_025
    assert await rig.flushed() == [(NEXT_DAY, 1, "tcp", 1, 0, 1, 1, 1, 0)]


async def test_an_estimate_that_became_less() -> None:
    """Nothing is taken back, and the rest is counted once."""
    rig, counter = Rig(), Counter(500, 0)
    rig.link(counter)
    await rig.flushed()
    counter.up = 490
    assert await rig.flushed() == []
    counter.up = 510
    assert await rig.flushed() == [(DAY, 1, "tcp", 10, 0, 0, 0, 0, 0)]


async def test_strangers_are_nobodys() -> None:
    """A connection that never greeted is in a metric and in no row."""
    rig = Rig()
    strangers = grown("gateway_meter_strangers_bytes_total", TCP)
    rig.meter.begin(Transport.TCP, Counter(5, 6)).end(by_peer=False)
    assert await rig.flushed() == []
    assert strangers() == 211


async def test_the_database_is_away() -> None:
    """What was to be written is kept as it is; what comes meanwhile follows, each once."""
    rig, counter = Rig(), Counter(1, 0)
    rig.link(counter)
    rig.table.failures = [StoreUnavailableError("away"), StoreUnavailableError("away")]
    for up in (2, 3):
        with pytest.raises(StoreUnavailableError):
            await rig.meter.flush()
        counter.up = up
    assert rig.meter.statistics() == 2
    assert await rig.flushed() == [
        (DAY, 1, "tcp", 1, 0, 0, 1, 0, 1),
        (DAY, 1, "tcp", 2, 0, 0, 0, 0, 0),
    ]
    assert rig.meter.statistics() == 0


async def test_a_bug_costs_what_was_to_be_written() -> None:
    """It is told how much, and the next round goes on."""
    rig, counter = Rig(), Counter(40, 2)
    rig.link(counter)
    rig.table.failures = [ValueError("a bug")]
    lost = grown("gateway_meter_lost_bytes_total")
    assert await rig.flushed() == []
    assert lost() == 42
    counter.up += 1
    assert await rig.flushed() == [(DAY, 1, "tcp", 1, 0, 0, 0, 0, 0)]


async def test_no_room_for_another_sum() -> None:
    """Its bytes are told as lost."""
    rig = Rig(most_rows=1)
    lost = grown("gateway_meter_lost_bytes_total")
    for device in (1, 2):
        rig.link(Counter(), device).end(by_peer=False)
    assert await rig.flushed() == [(DAY, 1, "tcp", 100, 100, 0, 1, 0, 1)]
    assert lost() == 200


async def test_reading_many_links_lets_others_work() -> None:
    """After each slice; a link that ends meanwhile is not read any more."""
    rig = Rig()
    counters = [Counter(1, 0) for _ in range(READ_AT_ONCE + 1)]
    links = [rig.link(counter, device) for device, counter in enumerate(counters)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.meter.flush())
        await asyncio.sleep(0)
        assert sum(counter.reads for counter in counters) == READ_AT_ONCE
        for link in links:
            link.end(by_peer=False)
    assert sum(counter.reads for counter in counters) == READ_AT_ONCE
    assert sum(row[3] for row in rig.table.rows) == 101 * len(links)


async def test_it_writes_by_itself() -> None:
    """Every `meter.flush_seconds`; a database that is away is tried again."""
    rig = Rig(flush_seconds=0.01)
    rig.link(Counter(1, 0))
    rig.table.failures = [StoreUnavailableError("away")]
    failures = grown("gateway_meter_flush_failures_total")
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
        running = tasks.create_task(rig.meter.run())
        await rig.table.added.wait()
        running.cancel()
    assert rig.table.rows == [(DAY, 1, "tcp", 1, 0, 0, 1, 0, 1)]
    assert failures() == 1


async def test_draining() -> None:
    """The last counts are written; a database that is away holds nothing up."""
    rig, counter = Rig(), Counter(1, 0)
    rig.link(counter)
    await rig.meter.drain(5)
    assert len(rig.table.rows) == 1
    counter.up = 2
    rig.table.failures = [StoreUnavailableError("away")]
    await rig.meter.drain(5)
    assert rig.meter.statistics() == 1


async def test_a_drain_ends_in_time() -> None:
    """Though the database does not answer."""
    rig = Rig()
    rig.link(Counter(1, 0))
    never = asyncio.Event()

    class Deaf(MemoryTable):
        async def add(self, addition: Addition) -> None:
            del addition
            await never.wait()

    rig.meter._table = Deaf()
    await rig.meter.drain(0.01)
    assert rig.meter.statistics() == 1
