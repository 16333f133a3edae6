"""How each part is measured."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import psycopg
import uvloop

from bench import workload
from bench.load.plan import LoadPlan, LoadResult, Subscriber
from bench.parts import BACKLOG_REPORTS, CALLERS, EMERGENCIES_EACH, Part
from bench.processes import (
    BenchError,
    cpu_seconds,
    memory_bytes,
    program,
    read_line,
    wait_until,
    write_line,
)
from bench.profiler import profiled
from bench.results import CEILING, RAW_CEILING, Measurement, Waits
from bench.workload import Handset, total_of
from bench.world import GATEWAY_USER, RunningGateway, World, check_stored, count_rows
from gateway.copy_format import REPORT_COLUMNS
from gateway.demo_subscriber import SUBSCRIBED
from gateway.embedded_broker import EmbeddedBroker
from gateway.protocol.tables import Edition
from gateway.settings import BatchSettings

SCRIPT_WITHIN_SECONDS: Final = 600.0
"""Most that the script may take: ten times what it needs for its portion."""

CALLERS_SETTINGS: Final = {"GATEWAY_LIMITS__BURST_EMERGENCIES": str(EMERGENCIES_EACH)}
"""A share of emergencies that no caller uses up."""

CopySource = memoryview | list[tuple[object, ...]]
"""Packed rows, or rows of values."""

Load = Callable[[], LoadResult]


class Bench:
    """Holds what is prepared, and runs one part at a time."""

    def __init__(
        self,
        world: World,
        fleet: Sequence[Handset],
        edition: Edition,
        profile_directory: Path | None = None,
    ) -> None:
        self.fleet = fleet
        self.callers = workload.make_callers(fleet, CALLERS, EMERGENCIES_EACH)
        self._world = world
        self._edition = edition
        self._profile_directory = profile_directory
        self._batch_items = BatchSettings().max_items

    # The ceiling.

    def run_ceiling(self, *, raw: bool) -> Measurement:
        """COPY all rows: one connection, a commit for each batch of the gateway's size.

        Args:
            raw: Let the rows be packed before the clock starts. Else the driver packs them from
                values, which is what COPY from a program costs.
        """
        pack: Callable[[Sequence[workload.KeyedReport]], CopySource]
        pack = workload.copy_bytes if raw else workload.copy_records
        batches = [pack(rows) for rows in workload.copy_batches(self.fleet, self._batch_items)]
        total = total_of(self.fleet)
        with self._world.database() as dsn, asyncio.Runner(loop_factory=uvloop.new_event_loop) as r:
            seconds, cpu = r.run(_copy_all(dsn, batches, self._world.postgres.pid))
            check_stored(dsn, self.fleet, total)
        return Measurement(
            part=RAW_CEILING if raw else CEILING,
            reports=total,
            seconds=seconds,
            cpu_seconds=cpu,
            batch_items=total / len(batches),
        )

    # The script.

    def run_script(self, part: Part) -> Measurement:
        """The script, from the first message to the last committed row."""
        fleet = self._fleet_of(part)
        with self._world.database() as dsn, self._world.broker(self.fleet) as broker:
            log = self._world.directory / "script.log"
            environment = {
                "DSN": dsn,
                "MQTT_HOST": broker.host,
                "MQTT_PORT": str(broker.port),
                "MQTT_USER": GATEWAY_USER.name,
                "MQTT_PASSWORD": GATEWAY_USER.password,
            }
            with program(["-m", "bench.naive_script"], log, environment) as script:
                read_line(script, log)
                with (
                    self._load(part, broker.port) as load,
                    psycopg.connect(dsn, autocommit=True) as connection,
                ):
                    pids = self._pids(part, script=script.pid)
                    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
                    began = time.perf_counter()
                    result = load()
                    wait_until(
                        lambda: count_rows(connection) >= result.reports,
                        script,
                        log,
                        SCRIPT_WITHIN_SECONDS,
                    )
                    seconds = time.perf_counter() - began
                    cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            check_stored(dsn, fleet, result.reports)
        return _measurement(part, result, cpu, seconds=seconds)

    # The gateway.

    def run_gateway(self, part: Part) -> Measurement:
        """The gateway, from the first report written to the last ack read."""
        fleet = self._fleet_of(part)
        with self._world.database() as dsn, self._broker_of(part) as broker:
            with (
                self._world.gateway(
                    dsn,
                    broker,
                    publishes=part.publishes,
                    meters=part.unmetered is None,
                    settings=CALLERS_SETTINGS if part.callers else None,
                ) as gateway,
                self._subscriber_of(part, dsn, broker),
            ):
                devices_broker = broker if part.transport == "mqtt" else None
                port = devices_broker.port if devices_broker else gateway.tcp_port
                with self._load(part, port, broker if part.callers else None) as load:
                    gateway.wait_until_told()
                    rss_ready, _ = memory_bytes(gateway.pid)
                    pids = self._pids(part, gateway=gateway.pid)
                    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
                    with profiled(self._profile_directory, part.name, gateway.pid):
                        result = load()
                    cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
                    _, rss_peak = memory_bytes(gateway.pid)
                    figures = _checked_figures(gateway, result)
            called = zip(self.callers, result.calls, strict=False)
            check_stored(dsn, [*fleet, *(_first(*call) for call in called)], result.stored)
        measured = _measurement(part, result, cpu, seconds=result.seconds)
        return msgspec.structs.replace(
            measured,
            batch_items=figures["batch_items_sum"] / figures["batch_items_count"],
            ack_ms=figures["ack_seconds_sum"] / figures["ack_seconds_count"] * 1_000,
            duplicates=int(figures.get("duplicate", 0)),
            rss_ready_bytes=rss_ready,
            rss_peak_bytes=rss_peak,
            bytes_up_per_report=result.bytes_up / result.reports,
            bytes_down_per_report=result.bytes_down / result.reports,
            waits=_waits(result),
        )

    # Preparing.

    def prepare(self, parts: Sequence[Part]) -> None:
        """Encode everything and write it down, a file for each part."""
        self._world.make_template([*self.fleet, *self.callers])
        for part in parts:
            fleet = self._fleet_of(part)
            pack = workload.tcp_plan if part.transport == "tcp" else workload.mqtt_plan
            plan = LoadPlan(
                transport=part.transport,
                settled_by="broker" if part.form == "json" else "gateway",
                window_reports=part.window_reports,
                devices=[pack(handset, self._bodies(part, handset)) for handset in fleet],
                callers=[
                    pack(handset, workload.singles(handset.reports, self._edition))
                    for handset in self.callers[: part.callers]
                ],
            )
            self._plan_file(part).write_bytes(msgspec.msgpack.encode(plan))

    def _bodies(self, part: Part, handset: Handset) -> list[workload.Body]:
        if part.form == "json":
            return workload.jsons(handset.reports)
        if part.form == "single":
            return workload.singles(handset.reports, self._edition)
        return workload.backlogs(handset.reports, self._edition, BACKLOG_REPORTS)

    def _fleet_of(self, part: Part) -> Sequence[Handset]:
        total = total_of(self.fleet)
        wanted = min(total // part.portion, part.at_most or total)
        fleet = workload.share(self.fleet, max(wanted, 1))
        return workload.without_emergencies(fleet) if part.callers else fleet

    def _plan_file(self, part: Part) -> Path:
        return self._world.directory / f"load-{part.name}.msgpack"

    @contextmanager
    def _load(self, part: Part, port: int, events: EmbeddedBroker | None = None) -> Iterator[Load]:
        """The generator with all devices connected and greeted; call it to send everything. With
        a broker for `events` it also notes when emergencies are published.
        """
        log = self._world.directory / "load.log"
        arguments = ["-m", "bench.load", str(self._plan_file(part)), str(port)]
        if events is not None:
            reader = Subscriber(events.port, GATEWAY_USER.name, GATEWAY_USER.password)
            arguments.append(msgspec.json.encode(reader).decode())
        with program(arguments, log, {}) as process:
            if read_line(process, log) != "ready":
                raise BenchError("the load generator said something unexpected")

            def load() -> LoadResult:
                write_line(process, "go")
                return msgspec.json.decode(read_line(process, log), type=LoadResult)

            yield load

    @contextmanager
    def _subscriber_of(self, part: Part, dsn: str, broker: EmbeddedBroker | None) -> Iterator[None]:
        """Somebody who takes every event, where a part is about the price of publishing."""
        if part.beside is None or broker is None:
            yield
            return
        log = self._world.directory / "subscriber.log"
        arguments = [
            *("-m", "gateway.demo_subscriber", "--broker", f"{broker.host}:{broker.port}"),
            *("--user", GATEWAY_USER.name, "--dsn", dsn),
            *("--json", str(self._world.directory / "events.json")),
        ]
        environment = {"PASSWORD": GATEWAY_USER.password}
        with program(arguments, log, environment) as subscriber:
            if read_line(subscriber, log) != SUBSCRIBED:
                raise BenchError("the subscriber said something unexpected")
            yield
            subscriber.kill()  # it would wait for the rest, which nobody measures

    def _broker_of(self, part: Part) -> AbstractContextManager[EmbeddedBroker | None]:
        return self._world.broker(self.fleet) if part.needs_broker else nullcontext()

    def _pids(self, part: Part, **others: int) -> dict[str, int]:
        broker = {"broker": self._world.broker_pid()} if part.needs_broker else {}
        return {"postgres": self._world.postgres.pid, **others, **broker}


async def _copy_all(
    dsn: str, batches: Sequence[CopySource], postgres_pid: int
) -> tuple[float, dict[str, float]]:
    """Seconds and processor seconds, read while the connection's server process still lives."""
    connection = await asyncpg.connect(dsn)
    postgres = cpu_seconds(postgres_pid)
    own, began = time.process_time(), time.perf_counter()
    for batch in batches:
        if isinstance(batch, memoryview):
            await connection.copy_to_table(
                "report", source=batch, columns=REPORT_COLUMNS, format="binary"
            )
        else:
            await connection.copy_records_to_table("report", records=batch, columns=REPORT_COLUMNS)
    seconds = time.perf_counter() - began
    cpu = {
        "postgres": cpu_seconds(postgres_pid) - postgres,
        "generator": time.process_time() - own,
    }
    await connection.close()
    return seconds, cpu


def _checked_figures(gateway: RunningGateway, result: LoadResult) -> dict[str, float]:
    """The gateway's own figures, which must say the same as the generator's."""
    figures = gateway.figures()
    if figures["stored"] != result.stored:
        raise BenchError(f"{result.stored} acked, the gateway says {figures['stored']:g} stored")
    for name in ("quarantined", "refused", "given_up", "replies_dropped"):
        if figures.get(name):
            raise BenchError(f"the gateway counts {figures[name]:g} {name}")
    return figures


def _first(handset: Handset, reports: int) -> Handset:
    return msgspec.structs.replace(handset, reports=handset.reports[:reports])


def _waits(result: LoadResult) -> Waits | None:
    if not result.calls:
        return None
    return Waits(
        ordinary_ms=result.ordinary_ms,
        emergency_ms=result.emergency_ms,
        receipt_ms=result.receipt_ms,
    )


def _measurement(
    part: Part, result: LoadResult, cpu: dict[str, float], *, seconds: float
) -> Measurement:
    return Measurement(
        part=part.name,
        reports=result.reports,
        seconds=seconds,
        cpu_seconds=cpu | {"generator": result.cpu_seconds},
    )
