"""What a flood run found, and whether that is good enough. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bench.flood.plan import Attack, Honest
from bench.results import quantiles
from bench.tables import MEBIBYTE, table

MAX_RATIO: Final = 5.0
"""The honest may wait so many times as long as when it is quiet: their 99th percentile."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One flood, and the quiet time before it."""

    name: str
    title: str
    quiet: Honest
    flooded: Honest
    attack: Attack
    rss_ready_bytes: int
    rss_peak_bytes: int
    bound_bytes: int
    """What the settings let the gateway take above what it has at its start."""

    @property
    def ratio(self) -> float:
        """99th percentiles of the acks' waits, flooded to quiet."""
        return quantiles(self.flooded.ack_ms).p99 / quantiles(self.quiet.ack_ms).p99

    @property
    def rss_growth_bytes(self) -> int:
        """Above the start, at most."""
        return self.rss_peak_bytes - self.rss_ready_bytes

    def faults(self) -> list[str]:
        """What is not as promised."""
        found = []
        if self.ratio > MAX_RATIO:
            found.append(f"{self.name}: p99 to the ack is {self.ratio:.1f} times the quiet one")
        if self.rss_growth_bytes > self.bound_bytes:
            found.append(f"{self.name}: memory grew by {self.rss_growth_bytes:,} bytes")
        if self.flooded.unanswered:
            found.append(f"{self.name}: {self.flooded.unanswered} reports went without an ack")
        if not self.flooded.welcome_ms:
            found.append(f"{self.name}: no newcomer was welcome")
        return found


def render(phases: Sequence[Phase]) -> str:
    """The table of the document."""
    head = (
        *("flood", "p50 ms", "p99 ms", "quiet p50", "quiet p99", "p99 ratio", "acks"),
        *("welcome p99 ms", "quiet", "reconnections", "what the attacker did"),
        *("memory above start, MiB", "bound"),
    )
    return table(head, [_row(phase) for phase in phases])


def _row(phase: Phase) -> list[str]:
    acks, quiet = quantiles(phase.flooded.ack_ms), quantiles(phase.quiet.ack_ms)
    welcomes, quiet_welcomes = (
        quantiles(one.welcome_ms) if one.welcome_ms else None
        for one in (phase.flooded, phase.quiet)
    )
    return [
        phase.title,
        f"{acks.median:.1f}",
        f"{acks.p99:.1f}",
        f"{quiet.median:.1f}",
        f"{quiet.p99:.1f}",
        f"**{phase.ratio:.1f}**",
        f"{acks.samples:,}",
        f"{welcomes.p99:.0f}" if welcomes else "none",
        f"{quiet_welcomes.p99:.0f}" if quiet_welcomes else "none",
        f"{phase.flooded.reconnections}",
        _did(phase.attack),
        f"{phase.rss_growth_bytes / MEBIBYTE:.0f}",
        f"{phase.bound_bytes / MEBIBYTE:.0f}",
    ]


def _did(attack: Attack) -> str:
    parts = {
        "connections": f"{attack.connections:,}",
        "open at once": f"{attack.open_at_most:,}",
        "frames": f"{attack.frames:,}",
        "MB": f"{attack.megabytes:.1f}",
        "refused": f"{attack.refused:,}",
        "cut": f"{attack.cut:,}",
    }
    return ", ".join(
        f"{value} {name}" for name, value in parts.items() if value not in {"0", "0.0"}
    )
