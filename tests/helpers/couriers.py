"""A handset with its courier and outbox, and the gateway's answers, for tests of the simulator."""

from pathlib import Path
from typing import Final

from device_sim.courier import Courier
from device_sim.faults import NO_FAULTS, Circumstance, FaultPlan, Rates
from device_sim.handset import Handset
from device_sim.links import PERFECT
from device_sim.outbox import Outbox
from device_sim.replies import Habits
from device_sim.tally import Tally
from device_sim.task_courier import BY_THE_WAY, TaskPlan
from gateway.protocol.limits import HEARTBEAT_SECONDS, PROTOCOL_VERSION, WINDOW_REPORTS
from gateway.protocol.messages import Hello, Welcome
from gateway.protocol.proof import Greeting, derive_keys, gateway_proof
from gateway.protocol.report import Report
from tests.helpers.builders import EDITION_2007, NOW

SLOW_REPLIES: Final = TaskPlan(1, Habits(1.0, 0.0, span=(0.5, 0.5), late_seconds=(0.0, 0.0)))
"""Every task is answered in the middle of the time that is left."""

SECRET: Final = bytes(range(32))
DEVICE: Final = 4403070001
INSTALLATION: Final = 1_001
"""Of ordinal 1; the next has ordinal 2."""


def new_installation(ordinal: int) -> int:
    """Numbers that a test can foresee."""
    return 1_000 + ordinal


def open_outbox(directory: Path) -> Outbox:
    """The outbox in a directory; a second call resumes it."""
    return Outbox(directory / "outbox.sqlite", {"seed": "1"})


def build_handset(**options: int) -> Handset:
    """A handset with nothing in it."""
    return Handset(DEVICE, INSTALLATION, **{"backlog_reports": 100, **options})


def build_courier(
    outbox: Outbox, rates: Rates = NO_FAULTS, seed: int = 1, task_plan: TaskPlan = BY_THE_WAY
) -> Courier:
    """A courier that has taken up what the outbox holds."""
    courier = Courier(
        handset=build_handset(),
        secret=SECRET,
        edition=EDITION_2007,
        outbox=outbox,
        tally=Tally(),
        plan=FaultPlan(seed, DEVICE, 100, PERFECT, rates),
        new_installation=new_installation,
        task_plan=task_plan,
    )
    courier.start()
    return courier


def write_all(courier: Courier, reports: list[Report], *, offline: bool = False) -> None:
    """Let the inspector write his last reports."""
    courier.write(1, [Circumstance(report, offline) for report in reports])
    courier.is_all_written = True


def welcome_to(
    hello: Hello, gateway_nonce: bytes = b"", *, through: int = 0, secret: bytes = SECRET
) -> Welcome:
    """The welcome of a gateway that knows the secret."""
    greeting = Greeting(gateway_nonce, hello.nonce, hello.device, hello.installation)
    return Welcome(
        version=PROTOCOL_VERSION,
        proof=gateway_proof(derive_keys(secret), greeting),
        server_time=NOW,
        settled_through=through,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        window_reports=WINDOW_REPORTS,
        edition=1,
    )
