"""Keys of reports as runs of consecutive numbers: how a transaction notes what it has to publish.

A backlog of 32 reports is one run, so a note costs little beside what it stands for. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

Key = tuple[int, int, int]
"""Device, installation, sequence."""


class Run(msgspec.Struct, frozen=True, gc=False):
    """Reports of one installation whose numbers follow each other, stored in one transaction."""

    device_id: int
    installation: int
    first: int
    last: int


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """A part of a run of one publication, and where in the publication it begins."""

    position: int
    """Of the publication."""
    index: int
    """Of the first report, in the publication."""
    run: Run


def run_columns(keys: Iterable[Key]) -> tuple[list[int], list[int], list[int], list[int]]:
    """The runs of keys that come in ascending order: devices, installations, first and last
    numbers. Runs for every report that is stored: hence plain lists.
    """
    devices: list[int] = []
    installations: list[int] = []
    firsts: list[int] = []
    lasts: list[int] = []
    device_id, installation, last = -1, -1, -1
    for key_device, key_installation, sequence in keys:
        if sequence != last + 1 or key_installation != installation or key_device != device_id:
            device_id, installation = key_device, key_installation
            devices.append(device_id)
            installations.append(installation)
            firsts.append(sequence)
            lasts.append(sequence)
        last = lasts[-1] = sequence
    return devices, installations, firsts, lasts


def runs_of(keys: Iterable[Key]) -> list[Run]:
    """The same, as runs."""
    return list(map(Run, *run_columns(keys)))


def stretches(position: int, runs: Sequence[Run]) -> Iterator[Stretch]:
    """The runs of a publication with the place of each; a report's place never changes."""
    index = 0
    for run in runs:
        yield Stretch(position, index, run)
        index += run.last - run.first + 1


def portions(all_stretches: Iterable[Stretch], most_reports: int) -> Iterator[list[Stretch]]:
    """The same in portions of at most so many reports; a long run is divided."""
    portion: list[Stretch] = []
    room = most_reports
    for stretch in all_stretches:
        for part in _divided(stretch, room, most_reports):
            portion.append(part)
            room -= part.run.last - part.run.first + 1
            if not room:
                yield portion
                portion, room = [], most_reports
    if portion:
        yield portion


def _divided(stretch: Stretch, first_room: int, room: int) -> Iterator[Stretch]:
    """Parts of a stretch, the first no longer than `first_room`, the others than `room`."""
    run, at, most = stretch.run, stretch.run.first, first_room
    while at <= run.last:
        last = min(run.last, at + most - 1)
        part = Run(run.device_id, run.installation, at, last)
        yield Stretch(stretch.position, stretch.index + at - run.first, part)
        at, most = last + 1, room
