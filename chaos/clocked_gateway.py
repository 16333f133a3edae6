"""The gateway with a clock that may be wrong: `time.time` plus seconds that stand in a file.

`python -m chaos.clocked_gateway FILE serve`. The gateway itself knows nothing of it: it runs under
its own command line. Whoever changes the file makes the clock jump at once.
"""

import mmap
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

OFFSET: Final = struct.Struct("<d")
"""What stands in the file: seconds that the clock is ahead."""


def set_offset(file: Path, seconds: float) -> None:
    """Make the clock of a gateway jump. The file stays the one that the gateway has mapped."""
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(OFFSET.pack(seconds))


def wrong_clock(file: Path, clock: Callable[[], float]) -> Callable[[], float]:
    """A clock that is ahead of another by what the file says at each moment."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)

    def read() -> float:
        (offset,) = OFFSET.unpack_from(mapped)
        return clock() + float(offset)

    return read


def main() -> None:
    """Replace the clock, then be the gateway."""
    file = Path(sys.argv.pop(1))
    time.time = wrong_clock(file, time.time)
    # Only now: the gateway's modules take the clock when they are imported.
    from gateway.__main__ import main as gateway  # noqa: PLC0415

    gateway()


if __name__ == "__main__":
    main()
