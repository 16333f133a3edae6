"""Messages with valid reports, as a device of edition 1 sends them."""

from typing import Any

from gateway.protocol.messages import WireBacklog, WireReport
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.builders import EDITION_2007, build_report, build_reports


def wire(sequence: int, **changes: Any) -> WireReport:
    """A report."""
    return pack_report(build_report(sequence=sequence, **changes), EDITION_2007)


def backlog(count: int, first_sequence: int = 1) -> WireBacklog:
    """Reports with consecutive numbers."""
    return pack_backlog(build_reports(count, first_sequence), EDITION_2007)
