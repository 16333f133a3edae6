"""What must hold of every event that a session hands to its handler."""

from typing import Final

from gateway.copy_format import TRAITS, report_row, track_row
from gateway.cost.old_texts import OldTexts, Templates
from gateway.handlers import HANDLERS, NEEDS_NO_HANDLER
from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome, Rejected
from gateway.parcel import Transport
from gateway.protocol.connection import Event
from gateway.protocol.limits import MAX_DESCRIPTION_CHARACTERS, MAX_SEQUENCE, MAX_TRACK_POINTS
from gateway.protocol.report import Report, Track
from gateway.protocol.wire_report import pack_report, pack_track, unpack_report, unpack_track
from gateway.reference import load_tables
from gateway.session import item_count

NOW: Final = 1_199_237_100
"""The clock of the test vectors: 2008-01-02."""

CONTEXT: Final = Context(load_tables(), NOW)
_DEVICE, _INSTALLATION = 350_000_000_000_017, 1_234_567_890
_TRAITS: Final = TRAITS[Transport.MQTT]
_OLD_TEXTS: Final = OldTexts(Templates())


def check_handled(event: Event) -> None:
    """Handlers raise nothing; each report gets its verdict; what is accepted can be stored, means
    the same when it is packed anew, and can be counted.
    """
    handle = HANDLERS.get(type(event))
    if handle is None:
        return
    assert type(event) not in NEEDS_NO_HANDLER
    outcome = handle(event, CONTEXT)
    _check_complete(event, outcome)
    _check_reports(outcome)
    for track in outcome.tracks:
        edition = CONTEXT.tables.editions[track.edition]
        assert 1 <= len(track.points) <= MAX_TRACK_POINTS
        assert unpack_track(pack_track(track, edition), edition) == track
        track_row(_DEVICE, _INSTALLATION, Transport.MQTT, track)


def _check_complete(event: Event, outcome: Outcome) -> None:
    """Each report of the message has one verdict to come, and none two. Numbers behind the last one
    there is are no reports.
    """
    items: list[Report | Track | Rejected]
    items = [*outcome.reports, *outcome.tracks, *outcome.rejected]
    numbers = [item.sequence for item in items if item.sequence is not None]
    assert len(set(numbers)) == len(numbers)
    assert all(1 <= number <= MAX_SEQUENCE for number in numbers)
    if outcome.receipt is None and outcome.task_reply is None:
        assert len(items) == item_count(event) or MAX_SEQUENCE in numbers


def _check_reports(outcome: Outcome) -> None:
    for report in outcome.reports:
        edition = CONTEXT.tables.editions[report.edition]
        assert len(report.description) <= MAX_DESCRIPTION_CHARACTERS
        if len(outcome.reports) == 1:  # of several, `columns` packs the whole backlog
            assert unpack_report(pack_report(report, edition), edition) == report
        report_row(_DEVICE, _INSTALLATION, _TRAITS, report)
        segments = _OLD_TEXTS.of_report(report)
        assert segments.report >= 1
        assert segments.confirmation >= 1
