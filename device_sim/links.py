"""Mobile links: how long, how narrow and how unreliable. All spreads are assumptions [A]."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log
from random import Random
from typing import Final, Literal, get_args

from gateway.protocol.limits import MAX_BACKLOG_REPORTS

LinkName = Literal["gprs", "edge", "umts", "lte", "perfect"]
LINK_NAMES: Final[tuple[str, ...]] = get_args(LinkName)

BACKLOG_SECONDS: Final = 4.0
"""How long a backlog may occupy the uplink, so that an emergency behind it does not wait longer."""

BACKLOG_REPORT_BYTES: Final = 50
"""About what a report takes in a backlog, its text included."""

LOSS_ROUND_TRIPS: Final = 2.0
"""A lost segment costs its retransmission time-out, about two round trips [A]."""

_95TH_PERCENTILE: Final = 1.6449
"""Of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """One kind of link."""

    name: str
    rtt_median_seconds: float
    rtt_sigma: float
    """Of the round trip's log-normal distribution, in the natural logarithm."""
    up_bytes_per_second: float
    down_bytes_per_second: float
    loss: float
    """Share of segments lost."""
    outage_share: float
    """Share of time without a link, from the mean times between and of outages."""
    outage_seconds: tuple[float, float]
    """An outage lasts something between these."""
    reconnect_seconds: tuple[float, float]
    """Until the modem has a context again."""

    @property
    def is_perfect(self) -> bool:
        """Whether nothing has to be simulated."""
        return not self.rtt_median_seconds

    @property
    def backlog_reports(self) -> int:
        """Most reports in one backlog."""
        fitting = self.up_bytes_per_second * BACKLOG_SECONDS / BACKLOG_REPORT_BYTES
        return int(min(max(1.0, fitting), MAX_BACKLOG_REPORTS))

    def round_trip_seconds(self, random: Random) -> float:
        """One round trip, with the retransmission when a segment is lost."""
        seconds = self.rtt_median_seconds * random.lognormvariate(0.0, self.rtt_sigma)
        if random.random() < self.loss:
            seconds += LOSS_ROUND_TRIPS * self.rtt_median_seconds
        return seconds


PERFECT: Final = LinkProfile(
    "perfect", 0.0, 0.0, 1e9, 1e9, 0.0, 0.0, (0.0, 0.0), reconnect_seconds=(0.0, 0.0)
)
"""No delay, no loss, no outage: the machine's own network."""


@cache
def link_profile(name: str) -> LinkProfile:
    """The profile of this name. Raises `KeyError` for an unknown one."""
    if name == PERFECT.name:
        return PERFECT
    text = (files("device_sim") / "data" / "link-profiles.csv").read_text(encoding="utf-8")
    rows = {row["profile"]: row for row in csv.DictReader(text.splitlines())}
    return _from_row(rows[name])


def _from_row(row: dict[str, str]) -> LinkProfile:
    median, outage = float(row["rtt_median_ms"]), _range(row["outage_seconds"])
    between_seconds = 60 * float(row["mean_minutes_between_outages"])
    mean_outage = sum(outage) / 2
    return LinkProfile(
        name=row["profile"],
        rtt_median_seconds=median / 1e3,
        rtt_sigma=log(float(row["rtt_p95_ms"]) / median) / _95TH_PERCENTILE,
        up_bytes_per_second=float(row["up_kbit_s"]) * 125,
        down_bytes_per_second=float(row["down_kbit_s"]) * 125,
        loss=float(row["loss_percent"]) / 100,
        outage_share=mean_outage / (between_seconds + mean_outage),
        outage_seconds=outage,
        reconnect_seconds=_range(row["reconnect_seconds"]),
    )


def _range(text: str) -> tuple[float, float]:
    low, high = text.split("-")
    return float(low), float(high)
