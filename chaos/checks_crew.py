"""All that the crew ever sent, beside what is stored, and what it was told, beside both."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.checks_crew_read import Kept, Sent, read_journal, read_tables
from chaos.crew_claims import NEVER_READ, STORED, Kind, frame_of
from chaos.findings import Checked
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_TIME
from gateway.protocol.tables import Tables
from gateway.reference import load_tables

Installation = tuple[int, int]
"""Device and installation."""

Key = tuple[Kind, int, int, int]
"""Table, device, installation, sequence."""


@dataclass(slots=True)
class Told:
    """The journal: what was sent, and what gateways said."""

    sent: list[Sent]
    frames: set[tuple[int, int, bytes]]
    strays: list[tuple[int, int, bytes]]
    refusals: list[tuple[int, int, int, int]]
    """Device, installation, sequence (0: none), code."""
    through: dict[Installation, int]
    """The highest number up to which all is settled, as any gateway said."""


@dataclass(slots=True)
class Stored:
    """The database, as far as it concerns the crew's devices."""

    rows: dict[Key, bytes]
    """Contents of reports and tracks."""
    kept: list[Kept]
    """Quarantine."""
    numbers: dict[Installation, set[int]] = field(default_factory=dict)
    """All numbers that are in any table."""

    def __post_init__(self) -> None:
        """Gather the numbers."""
        numbers: defaultdict[Installation, set[int]] = defaultdict(set)
        for _, device, installation, sequence in self.rows:
            numbers[device, installation].add(sequence)
        for kept in self.kept:
            if kept.sequence is not None:
                numbers[kept.device, kept.installation].add(kept.sequence)
        self.numbers = dict(numbers)


def check_crew(dsn: str, journal: Path) -> Checked:
    """Read both and compare them."""
    told = Told(*read_journal(journal))
    devices = sorted({sent.device for sent in told.sent})
    return crew_findings(told, Stored(*read_tables(dsn, devices)), load_tables())


def crew_findings(told: Told, stored: Stored, tables: Tables) -> Checked:
    """Every acked report is stored once and unaltered; nothing is stored that was not sent; what
    was refused is kept, with the frame that it came in, for the reason that was told.
    """
    checked = Checked("crew")
    by_key: defaultdict[Key, list[Sent]] = defaultdict(list)
    for sent in told.sent:
        checked.saw("sent")
        if sent.sequence is not None:
            by_key[sent.kind, sent.device, sent.installation, sent.sequence].append(sent)
        _check_outcome(checked, sent)
    _check_rows(checked, by_key, stored)
    _check_acks(checked, told, stored)
    _check_quarantine(checked, by_key, told, stored, tables)
    _check_refusals(checked, by_key, told)
    return checked


def _check_outcome(checked: Checked, sent: Sent) -> None:
    """What it was told in the end is what it had to be told."""
    if sent.outcome is None:
        checked.found("not settled", _name(sent))
    elif sent.code == STORED and sent.outcome not in {STORED, RefusalCode.SEQUENCE_CONFLICT}:
        checked.found("refused though good", f"{_name(sent)}: code {sent.outcome}")
    elif sent.code not in {STORED, sent.outcome}:
        told = f"code {sent.outcome} instead of {sent.code}"
        checked.found("told otherwise", f"{_name(sent)}: {told}")
    else:
        checked.saw("stored" if sent.outcome == STORED else "refused")


def _check_rows(checked: Checked, by_key: dict[Key, list[Sent]], stored: Stored) -> None:
    """Each row is something that was sent under its number, and what was acked is its row."""
    for key, content in stored.rows.items():
        checked.saw("rows")
        contents = {sent.content for sent in by_key.get(key, ()) if sent.code == STORED}
        if content not in contents:
            sort = "altered" if contents else "stored and never sent"
            checked.found(sort, _words(key))
    for key, all_sent in by_key.items():
        good = [sent for sent in all_sent if sent.code == STORED]
        accepted = [sent for sent in good if sent.outcome == STORED]
        if len(accepted) > 1:
            checked.found("two contents acked", _words(key))
        for sent in accepted:
            if key not in stored.rows:
                checked.found("acked and lost", _words(key))
            elif stored.rows[key] != sent.content:
                checked.found("acked and altered", _words(key))
        settled = all(sent.outcome is not None for sent in good)
        if good and settled and not accepted:
            checked.found("no content accepted", _words(key))
        if len(good) == 1 and good[0].outcome == RefusalCode.SEQUENCE_CONFLICT:
            checked.found("conflict with nothing", _words(key))


def _check_acks(checked: Checked, told: Told, stored: Stored) -> None:
    """Whatever number any gateway called settled is in a table, also one that was never sent."""
    for sent in told.sent:
        numbers = stored.numbers.get((sent.device, sent.installation), set())
        if sent.acked and sent.sequence not in numbers:
            checked.found("acked and nowhere", _name(sent))
    for (device, installation), through in told.through.items():
        numbers = stored.numbers.get((device, installation), set())
        there = sum(1 for number in numbers if number <= through)
        checked.saw("acked through", through)
        if there < through:
            where = f"device {device} installation {installation}"
            checked.found("acked through a gap", f"{where}: {through}, of which {there} are there")


def _check_quarantine(
    checked: Checked, by_key: dict[Key, list[Sent]], told: Told, stored: Stored, tables: Tables
) -> None:
    kept_as: defaultdict[tuple[int, int, int | None, int], list[bytes]] = defaultdict(list)
    codes = _expected_codes(by_key, told)
    for kept in stored.kept:
        checked.saw("quarantined")
        kept_as[kept.device, kept.installation, kept.sequence, kept.code].append(kept.frame)
        place = (kept.device, kept.installation, kept.sequence or 0)
        if kept.code == RefusalCode.BAD_FRAME:
            if not _is_stray(kept, told):
                checked.found("quarantined and never sent", kept.where)
        elif (kept.device, kept.installation, kept.frame) not in told.frames:
            checked.found("quarantined and never sent", kept.where)
        elif kept.code not in codes.get(place, ()):
            checked.found("quarantined for another reason", kept.where)
    for sent in told.sent:
        if not sent.outcome:
            continue
        frames = kept_as.get((sent.device, sent.installation, sent.sequence, sent.outcome), [])
        if not any(_brings(frame, sent, tables) for frame in frames):
            checked.found("refused and not kept", f"{_name(sent)}: code {sent.outcome}")


def _brings(frame: bytes, sent: Sent, tables: Tables) -> bool:
    """Whether a quarantined frame is the one that holds what was refused. Of several bad reports
    under one number and for one reason the first is kept.
    """
    if sent.outcome in NEVER_READ:
        return frame == sent.content
    if sent.outcome != RefusalCode.SEQUENCE_CONFLICT:
        return True
    return any(content == sent.content for content in _contents(frame, tables))


def _contents(frame: bytes, tables: Tables) -> Iterator[bytes]:
    # By a clock at its end no time is ahead of it.
    found = frame_of(frame, tables, MAX_TIME - 20 * _DAY_SECONDS)
    if found is not None:
        yield from (claim.content for claim in found.claims if claim.code == STORED)


def _is_stray(kept: Kept, told: Told) -> bool:
    """A gateway keeps as much as it had read behind a length that cannot be."""
    return any(
        (device, installation) == (kept.device, kept.installation)
        and kept.frame
        and stray.startswith(kept.frame)
        for device, installation, stray in told.strays
    )


def _expected_codes(
    by_key: dict[Key, list[Sent]], told: Told
) -> dict[tuple[int, int, int], set[int]]:
    """What may be refused, by device, installation and number (0: none)."""
    codes: defaultdict[tuple[int, int, int], set[int]] = defaultdict(set)
    for sent in told.sent:
        if sent.code != STORED:
            codes[sent.device, sent.installation, sent.sequence or 0].add(sent.code)
    for (_, *place), all_sent in by_key.items():
        if sum(1 for sent in all_sent if sent.code == STORED) > 1:
            device, installation, sequence = place
            codes[device, installation, sequence].add(RefusalCode.SEQUENCE_CONFLICT)
    return codes


def _check_refusals(checked: Checked, by_key: dict[Key, list[Sent]], told: Told) -> None:
    """Nothing was refused for good that was not to be."""
    codes = _expected_codes(by_key, told)
    strays = {(device, installation) for device, installation, _ in told.strays}
    for device, installation, sequence, code in told.refusals:
        checked.saw("refusals")
        if code == RefusalCode.BAD_FRAME and (device, installation) in strays:
            continue
        if code not in codes.get((device, installation, sequence), ()):
            where = f"device {device} installation {installation} sequence {sequence}"
            checked.found("refused without a reason", f"{where}: code {code}")


def _name(sent: Sent) -> str:
    number = "none" if sent.sequence is None else sent.sequence
    where = f"device {sent.device} installation {sent.installation}"
    return f"{sent.kind} {where} sequence {number}, expected {sent.code}"


def _words(key: Key) -> str:
    kind, device, installation, sequence = key
    return f"{kind} device {device} installation {installation} sequence {sequence}"


_DAY_SECONDS: Final = 86_400
