"""Whether memory grows: the process's resident memory at intervals, and its highest point."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WARM_UP_INPUTS: Final = 200_000
"""Until then the parser fills its caches, and the fuzzer finds most of its corpus."""

LOOK_EVERY_INPUTS: Final = 20_000
"""Looks are cheap beside so many inputs."""

MAX_GROWTH_BYTES: Final = 16 * 2**20
"""Over all inputs after the warm-up: under two bytes an input in ten million, less than the
smallest object of Python, so nothing is kept of them. The allocator's fragments take some."""

MAX_INPUT_BYTES: Final = 48 * 2**20
"""What a single input may take for a moment, beyond what stays: the highest point of the process
less its memory when warm. A frame's columns as objects take under 2 MB; the rest is the fuzzer's
own work on its corpus."""

UNIT_BYTES: Final = 4_096
"""What the fuzzer keeps of an input in its corpus beside the bytes: which features it has."""

_STATM: Final = Path("/proc/self/statm")
_KIB: Final = 1_024


class MemoryGrowthError(AssertionError):
    """Memory grew with the number of inputs, or one input took too much."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The process at one moment."""

    resident_bytes: int
    highest_bytes: int
    """Of its resident memory since it began."""
    corpus_bytes: int
    """What the fuzzer keeps of the inputs that found something new, by reckoning."""


class MemoryWatch:
    """Compares readings with the first one after the warm-up."""

    def __init__(self) -> None:
        self.inputs = 0
        self.warm: Reading | None = None
        self.last: Reading | None = None

    @property
    def growth_bytes(self) -> int:
        """Resident memory since the warm-up, less the fuzzer's corpus; below 0: it shrank."""
        if self.warm is None or self.last is None:
            return 0
        return (self.last.resident_bytes - self.warm.resident_bytes) - (
            self.last.corpus_bytes - self.warm.corpus_bytes
        )

    def look(self, inputs: int, reading: Reading) -> None:
        """Take a reading after so many inputs.

        Raises:
            MemoryGrowthError: It is beyond what it may have grown to.
        """
        self.inputs, self.last = inputs, reading
        if inputs < WARM_UP_INPUTS:
            return
        if self.warm is None:
            self.warm = reading
        if self.growth_bytes > MAX_GROWTH_BYTES:
            raise MemoryGrowthError(
                f"{self.growth_bytes:,} bytes more after {inputs:,} inputs than when warm:"
                " something is kept of each"
            )
        peak = reading.highest_bytes - self.warm.resident_bytes
        peak -= reading.corpus_bytes - self.warm.corpus_bytes
        if peak > MAX_INPUT_BYTES:
            raise MemoryGrowthError(f"one input took {peak:,} bytes for a moment")


def read_memory(new_units: Path) -> Reading:
    """This process now. Linux. `new_units`: where the fuzzer writes what it adds to its corpus."""
    pages = int(_STATM.read_text(encoding="ascii").split()[1])
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    sizes = [file.stat().st_size for file in new_units.iterdir()]
    corpus_bytes = sum(sizes) + len(sizes) * UNIT_BYTES
    return Reading(pages * resource.getpagesize(), highest, corpus_bytes)
