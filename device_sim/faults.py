"""What goes wrong in the field, seeded, so that a run can be repeated. All rates: assumptions [A].

Faults are tied to what a handset writes and sends, not to the time that passes, so that a run at
full speed has as many of them as one in real time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from random import Random
from typing import Final

from device_sim.links import LinkProfile
from gateway.protocol.report import Report

CUT_PER_FRAME: Final = 1 / 400
"""The link breaks while a frame is sent: half of it arrives. Nearly once a quarter and handset."""

LOST_ACK_PER_FRAME: Final = 1 / 400
"""The link breaks after the frame arrived and before its ack did."""

REPEAT_PER_FRAME: Final = 1 / 200
"""A report that was acked is sent once more, as by software that forgets to note an ack."""

HALF_OPEN_PER_FRAME: Final = 1 / 4_000
"""The handset forgets the connection without closing it, and opens another."""

OFFLINE_PER_REPORT: Final = 1 / 100
"""A report begins some hours without a link: a basement, a village, an empty account."""

OFFLINE_SECONDS: Final = (3_600, 14_400)
"""One to four hours."""

WIPES_PER_HANDSET: Final = 0.02
"""Handsets that are wiped once in the quarter; what was not sent is restored from a copy."""


@unique
class Fault(Enum):
    """What happens to one frame."""

    NONE = "none"
    CUT = "cut in a frame"
    LOST_ACK = "ack lost"
    REPEAT = "repeated"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each fault happens; zero switches it off."""

    cut: float = CUT_PER_FRAME
    lost_ack: float = LOST_ACK_PER_FRAME
    repeat: float = REPEAT_PER_FRAME
    half_open: float = HALF_OPEN_PER_FRAME
    offline: float = OFFLINE_PER_REPORT
    wiped: float = WIPES_PER_HANDSET


ALL_FAULTS: Final = Rates()
NO_FAULTS: Final = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Circumstance:
    """How one report came to be."""

    report: Report
    offline: bool = False
    """There was no link when it was written."""
    outage_seconds: float = 0.0
    """With this report the link goes away for so long; 0 when it does not."""
    wiped: bool = False
    """The handset is wiped when this is the first report that was not sent."""


class FaultPlan:
    """The misfortunes of one handset.

    Args:
        seed: of the run.
        device: whose misfortunes; each device has its own.
        reports: how many reports its inspector writes in the whole scenario.
        profile: of its link, for the outages.
        rates: how often each fault happens.
    """

    def __init__(
        self,
        seed: int,
        device: int,
        reports: int,
        profile: LinkProfile,
        rates: Rates = ALL_FAULTS,
    ) -> None:
        self._of_frames = Random(f"faults/frames/{seed}/{device}")
        self._of_reports = Random(f"faults/reports/{seed}/{device}")
        self._profile = profile
        self._rates = rates
        wiped = self._of_reports.random() < rates.wiped
        self.wiped_at = self._of_reports.randint(1, max(1, reports)) if wiped else None
        """Serial number of the report before which the handset is wiped."""
        self._kinds = (
            (Fault.CUT, rates.cut),
            (Fault.LOST_ACK, rates.lost_ack),
            (Fault.REPEAT, rates.repeat),
            (Fault.HALF_OPEN, rates.half_open),
        )

    def of_frame(self) -> Fault:
        """What happens to the next frame."""
        chance = self._of_frames.random()
        for fault, rate in self._kinds:
            if chance < rate:
                return fault
            chance -= rate
        return Fault.NONE

    def of_reports(self, reports: Iterable[Report]) -> Iterator[Circumstance]:
        """The circumstances of an inspector's reports, from the first; lazily, one by one."""
        back_at = 0.0
        for serial, report in enumerate(reports, 1):
            wiped = serial == self.wiped_at
            seconds = 0.0
            offline = report.observed_at < back_at
            if not offline and (seconds := self._outage_seconds()):
                offline, back_at = True, report.observed_at + seconds
            yield Circumstance(report, offline, seconds, wiped)

    def _outage_seconds(self) -> float:
        """How long the link goes away with a report that is being written; mostly not at all."""
        random, chance = self._of_reports, self._of_reports.random()
        if chance < self._rates.offline:
            return random.uniform(*OFFLINE_SECONDS)
        if chance < self._rates.offline + self._profile.outage_share:
            return random.uniform(*self._profile.outage_seconds)
        return 0.0
