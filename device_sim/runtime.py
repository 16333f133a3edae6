"""The whole fleet under one nursery.

fleet -> one nursery for each handset -> its inspector, and its keeper -> session -> two tasks.
Beside the handsets: marks are flushed to the outbox, progress is shown, and signals end the run. In
the scenario `tasks` the centre is another client, and dismisses the handsets when all is over.
"""

import signal
from collections.abc import Callable
from enum import Enum, unique
from random import Random
from typing import Final

import trio

from device_sim.absences import absences, be_absent
from device_sim.author import write_reports
from device_sim.centre_link import CentreLink, CentreRefusedError
from device_sim.courier import Courier, NotAdmittedError, UntrustedGatewayError
from device_sim.edition import edition
from device_sim.faults import FaultPlan
from device_sim.fleet import Inspector
from device_sim.handset import Handset
from device_sim.keeper import GREETINGS_AT_ONCE, Keeper, Opened
from device_sim.mqtt_link import Dialect, MqttSession
from device_sim.outbox import Outbox
from device_sim.pace import Pace
from device_sim.plan import Errands, Plan
from device_sim.scenario import EDITION
from device_sim.shifts import QUARTER_START
from device_sim.streams import CountedLink, Link, SlowLink
from device_sim.tally import Tally
from device_sim.tcp_link import TcpSession
from device_sim.tls_link import Resumption, TlsLink
from gateway.protocol.limits import MAX_INSTALLATION

FLUSH_SECONDS: Final = 0.2
"""How far the marks in the outbox may lag: some 3,000 reports at full speed, 15 ms to write."""


@unique
class Outcome(Enum):
    """How a run ended."""

    COMPLETE = "complete"
    """Every handset has nothing left to do, or gave up (`Tally.failures`)."""
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class Runtime:
    """Runs a plan once. Must be made inside trio."""

    def __init__(self, plan: Plan, outbox: Outbox, tally: Tally) -> None:
        self._plan = plan
        self._outbox = outbox
        self._tally = tally
        self._pace = Pace(plan.speed, QUARTER_START)
        self._places = trio.CapacityLimiter(GREETINGS_AT_ONCE)
        self._dialect = plan.dialect or Dialect()
        self._couriers: list[Courier] = []
        self._is_all_over = False
        """Whether the centre has nothing more to ask for."""

    async def run(self) -> None:
        """Run every handset to its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._flush_marks)
            async with trio.open_nursery() as handsets:
                for inspector in self._plan.scenario.fleet.inspectors:
                    handsets.start_soon(self._run_handset, inspector)
                if self._plan.errands is not None:
                    handsets.start_soon(self._run_centre, self._plan.errands)
            nursery.cancel_scope.cancel()

    async def _flush_marks(self) -> None:
        while True:
            await trio.sleep(FLUSH_SECONDS)
            self._outbox.flush()

    async def _run_handset(self, inspector: Inspector) -> None:
        faults = FaultPlan(
            self._plan.scenario.seed,
            inspector.device_id,
            inspector.reports,
            self._plan.profile,
            self._plan.rates,
        )
        courier = self._courier(inspector, faults)
        self._couriers.append(courier)
        written = courier.start()
        reports = self._plan.scenario.reports_of(inspector)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                write_reports, courier, reports, written, inspector.reports, faults, self._pace
            )
            if self._plan.errands is not None:
                courier.stays_on = not self._is_all_over
                seed, seconds = self._plan.scenario.seed, self._plan.errands.seconds
                planned = absences(seed, inspector.device_id, seconds)
                nursery.start_soon(be_absent, courier, planned, self._pace)
            try:
                await self._keeper(inspector, courier).run()
            except (NotAdmittedError, UntrustedGatewayError) as error:
                self._tally.failures[inspector.device_id] = str(error)
            nursery.cancel_scope.cancel()
        self._tally.finished += 1

    async def _run_centre(self, errands: Errands) -> None:
        link = CentreLink(
            errands.centre, errands.postings, errands.began_at, errands.login, self._dialect
        )
        try:
            await link.run()
        except CentreRefusedError as error:
            errands.centre.failure = str(error)
        self._is_all_over = True
        for courier in self._couriers:
            courier.dismiss()

    def _courier(self, inspector: Inspector, faults: FaultPlan) -> Courier:
        return Courier(
            handset=Handset(
                inspector.device_id, 0, backlog_reports=self._plan.profile.backlog_reports
            ),
            secret=self._plan.credentials[inspector.device_id].secret,
            edition=edition(EDITION),
            outbox=self._outbox,
            tally=self._tally,
            plan=faults,
            new_installation=lambda ordinal: installation_number(
                self._plan.scenario.seed, inspector.device_id, ordinal
            ),
            task_plan=self._plan.task_plan,
        )

    def _keeper(self, inspector: Inspector, courier: Courier) -> Keeper:
        random = Random(f"link/{self._plan.scenario.seed}/{inspector.device_id}")
        credential = self._plan.credentials[inspector.device_id]
        is_mqtt = (credential.transport or inspector.transport) == "mqtt"
        address = self._plan.broker if is_mqtt else self._plan.gateway

        resumption = Resumption()

        async def connect() -> Opened:
            stream = await trio.open_tcp_stream(*address)
            link: Link = self._link(stream, random)
            if is_mqtt:
                session = MqttSession(link, courier, credential.secret, self._dialect)
                return Opened(stream, session)
            if self._plan.tls is not None:
                link = TlsLink(link, self._plan.tls, address[0], resumption)
            return Opened(stream, TcpSession(link, courier))

        return Keeper(courier, connect, self._places, self._pace, self._plan.profile, random)

    def _link(self, stream: trio.abc.Stream, random: Random) -> CountedLink:
        profile, pace, traffic = self._plan.profile, self._pace, self._tally.traffic
        if profile.is_perfect or not pace.waits:
            return CountedLink(stream, traffic)
        return SlowLink(stream, traffic, profile, pace, random)


def installation_number(seed: int, device: int, ordinal: int) -> int:
    """The number of a device's first, second, ... installation.

    A real handset draws it at random. Here it comes from the seed, so that a run that is repeated
    against the same database sends the same reports under the same keys.
    """
    return Random(f"installation/{seed}/{device}/{ordinal}").randint(0, MAX_INSTALLATION)


async def run_fleet(
    plan: Plan,
    outbox: Outbox,
    tally: Tally,
    show: Callable[[], None],
    show_every_seconds: float,
    timeout_seconds: float,
) -> Outcome:
    """Run a plan until it is complete, its time is up or a signal ends it.

    Args:
        plan: what is to be run.
        outbox: the record; unsettled reports in it are sent again.
        tally: is counted up.
        show: shows the progress.
        show_every_seconds: how often that is.
        timeout_seconds: infinite for no limit.
    """
    outcome = Outcome.TIMED_OUT
    with trio.move_on_after(timeout_seconds):
        async with trio.open_nursery() as nursery:

            async def stop_on_signal() -> None:
                nonlocal outcome
                with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    async for _ in signals:
                        outcome = Outcome.INTERRUPTED
                        nursery.cancel_scope.cancel()

            async def show_progress() -> None:
                while True:
                    await trio.sleep(show_every_seconds)
                    show()

            nursery.start_soon(stop_on_signal)
            nursery.start_soon(show_progress)
            await Runtime(plan, outbox, tally).run()
            outcome = Outcome.COMPLETE
            nursery.cancel_scope.cancel()
    return outcome
