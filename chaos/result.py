"""What a run came to, for programs and for the tables. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaos.schedule import Injection

FIGURES: Final = (
    "sent",  # different reports, by the fleet and the crew
    "transmissions",  # how often they were sent; the crew's are not counted
    "acked",
    "stored",
    "duplicates",
    "quarantined",
    "events",
    "tasks",
)
"""Counts of a run, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run.

    Attributes:
        seed: of schedule and load.
        seconds: how long things broke.
        schedule: what was to break.
        injected: how often each fault was on, by its name.
        not_injected: what could not be broken on this machine, and why.
        counts: by the names of `FIGURES`.
        findings: what must not be; empty if all is well.
    """

    seed: int
    seconds: float
    schedule: Sequence[Injection] | Sequence[str]
    injected: Mapping[str, int]
    not_injected: Mapping[str, str]
    counts: Mapping[str, int]
    findings: Sequence[str]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Result":
        """What `as_json` made. Of the schedule only its lines are left."""
        return cls(**told)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "schedule": [str(injection) for injection in self.schedule],
            "injected": dict(self.injected),
            "not_injected": dict(self.not_injected),
            "counts": dict(self.counts),
            "findings": list(self.findings),
        }
