"""A small file system of its own for PostgreSQL, which can be filled and emptied again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

DISK_BYTES: Final = 256 * 1024 * 1024
"""A fresh cluster, a copy of PostgreSQL's programs, and the log of an hour; it lies in memory."""

PAGE_BYTES: Final = 4_096
"""What the file system gives out at once."""

BALLAST: Final = "ballast"


class SmallDisk:
    """A directory that may be a file system of its own.

    Args:
        place: the directory.
        why_not: why it is none, if it is none.
    """

    def __init__(self, place: Path, why_not: str) -> None:
        self._ballast = place / BALLAST
        self.why_not = why_not

    def fill(self) -> None:
        """Leave not a byte."""
        with self._ballast.open("wb") as file:
            taken, portion = 0, DISK_BYTES
            while portion >= PAGE_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), taken, portion)
                    taken += portion
                except OSError:
                    portion //= 2

    def empty(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk]:
    """Mount a small file system at `place`, which must be empty; the plain directory where that is
    not allowed.
    """
    why_not = _mount(place)
    try:
        yield SmallDisk(place, why_not)
    finally:
        if not why_not:
            subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 -- root's own


def _mount(place: Path) -> str:
    if os.geteuid() != 0:
        return "a small file system can be mounted by root alone"
    place.mkdir(parents=True, exist_ok=True)
    options = f"size={DISK_BYTES},mode=755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "field-gateway-chaos", str(place)],  # noqa: S607 -- root's own
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""
