"""What fits into one backlog."""

from typing import Final

from gateway.protocol.limits import MAX_BACKLOG_REPORTS, MAX_FRAME_BYTES
from gateway.protocol.report import Report

_COLUMN_BYTES: Final = 52
"""Most bytes of one report in a backlog beside its text, each field in its widest form."""


class BacklogRun:
    """Reports with consecutive numbers of one edition that fit into one backlog.

    Args:
        most: how many the link and the window allow; one goes in any case.
    """

    def __init__(self, most: int) -> None:
        self.reports: list[Report] = []
        self._most = max(1, min(most, MAX_BACKLOG_REPORTS))
        self._bytes = 0

    def takes(self, report: Report) -> bool:
        """Whether a report may be added; the first one always may."""
        if not self.reports:
            return True
        last = self.reports[-1]
        return (
            len(self.reports) < self._most
            and report.sequence == last.sequence + 1
            and report.edition == last.edition
            and self._bytes + _most_bytes(report) <= MAX_FRAME_BYTES
        )

    def add(self, report: Report) -> None:
        """Add a report that it takes."""
        self.reports.append(report)
        self._bytes += _most_bytes(report)


def _most_bytes(report: Report) -> int:
    """An upper bound: no text form is longer than UTF-8."""
    return _COLUMN_BYTES + len(report.description.encode())
