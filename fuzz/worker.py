"""One process that fuzzes one target: `python -m fuzz.worker TARGET STATUS NEW_UNITS [OPTIONS]`.

The fuzzer takes the process over and ends it, so `fuzz.runner` starts one for each target. OPTIONS
are libFuzzer's, its folders included. STATUS is written again and again, and tells what ran even
if the process is killed.
"""

import os
import sys
import time
from pathlib import Path
from typing import Final

import atheris
import msgspec

from fuzz.memory import LOOK_EVERY_INPUTS, MemoryGrowthError, MemoryWatch, read_memory
from fuzz.results import Status
from fuzz.runner import ITSELF
from fuzz.targets import TARGETS, Check, load_check

_ARGUMENTS: Final = 4


class Counted:
    """Counts the inputs of a check and looks at the memory from time to time."""

    def __init__(self, check: Check, status: Path, new_units: Path) -> None:
        self._check = check
        self._status = status
        self._new_units = new_units
        self._inputs = 0
        self._began = time.monotonic()
        self._memory = MemoryWatch()

    def __call__(self, data: bytes) -> None:
        """Check one input."""
        self._inputs += 1
        self._check(data)
        if self._inputs % LOOK_EVERY_INPUTS == 0:
            self.look()

    def look(self) -> None:
        """Look at the memory and tell how far we are."""
        fault = ""
        try:
            self._memory.look(self._inputs, read_memory(self._new_units))
        except MemoryGrowthError as error:
            fault = str(error)
            raise
        finally:
            self._tell(fault)

    def _tell(self, fault: str) -> None:
        last = self._memory.last
        status = Status(
            inputs=self._inputs,
            seconds=round(time.monotonic() - self._began, 1),
            highest_bytes=last.highest_bytes if last else 0,
            growth_bytes=self._memory.growth_bytes,
            fault=fault,
        )
        draft = self._status.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(status))
        draft.replace(self._status)


def main() -> None:
    """Instrument, load, fuzz; never returns."""
    name, status, new_units = sys.argv[1:_ARGUMENTS]
    with atheris.instrument_imports(include=list(TARGETS[name].instrumented)):
        check = load_check(name)
    counted = Counted(check, Path(status), Path(new_units))
    os.environ["RUST_BACKTRACE"] = "0"  # a panic of `mqtt5` would read its symbols each time
    itself = os.environ.get(ITSELF, sys.argv[0])
    atheris.Setup([itself, *sys.argv[_ARGUMENTS:]], counted)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
