"""Reports and tasks counted: what a publication adds to the tables of counts. Pure.

`count_report` runs for every report that is stored, hence plain lists and tuples.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from gateway.cost.china import day_of
from gateway.cost.old_texts import OldTexts
from gateway.cost.usage import OldMessages
from gateway.protocol.report import Kind, Patrol, Report, Urgency

Row = Sequence[Any]

SmsKey = tuple[date, int, str | None]
"""Day, device, transport."""

ReportKey = tuple[date, int, str, str, str, bool]
"""Day of the observation, street, kind, urgency, transport, simple."""

_FIGURES: Final = len(OldMessages.__struct_fields__)
_KINDS: Final = {kind.name.lower(): kind.value for kind in Kind}
_URGENCIES: Final = {urgency.name.lower(): urgency.value for urgency in Urgency}
_PATROLS: Final = {patrol.name.lower(): patrol.value for patrol in Patrol}


class Counts:
    """Sums by the keys of the tables `sms_avoided` and `report_count`."""

    __slots__ = ("reports", "sms")

    def __init__(self) -> None:
        self.sms: dict[SmsKey, list[int]] = {}
        """The figures of `OldMessages`, in its order."""
        self.reports: dict[ReportKey, int] = {}

    def add(self, other: "Counts") -> None:
        """Add all sums of another."""
        for key, amount in other.reports.items():
            self.reports[key] = self.reports.get(key, 0) + amount
        for sms_key, figures in other.sms.items():
            own = self.figures(sms_key)
            for place, figure in enumerate(figures):
                own[place] += figure

    def figures(self, key: SmsKey) -> list[int]:
        """The sums of a key, to be added to."""
        own = self.sms.get(key)
        if own is None:
            own = self.sms[key] = [0] * _FIGURES
        return own

    def sms_columns(self) -> list[list[Any]]:
        """Columns of `sms_avoided`, by key in ascending order: two that add at the same time then
        wait for each other and never in a circle.
        """
        rows = sorted(self.sms.items(), key=lambda item: (*item[0][:2], item[0][2] or ""))
        return _columns(((*key, *figures) for key, figures in rows), 3 + _FIGURES)

    def report_columns(self) -> list[list[Any]]:
        """The same of `report_count`."""
        return _columns(((*key, amount) for key, amount in sorted(self.reports.items())), 7)

    def segments(self) -> tuple[int, int]:
        """SMS segments of all, from devices and to devices."""
        up = down = 0
        for _, report, confirmation, _, task, _, answer in self.sms.values():
            up += report + answer
            down += confirmation + task
        return up, down

    def messages(self) -> int:
        """Reports, tasks and answers of all."""
        return sum(f[0] + f[3] + f[5] for f in self.sms.values())


def count_report(counts: Counts, texts: OldTexts, stored_on: date, row: Row) -> None:
    """Count a stored report. `row`: see the statement `reports` in counting.sql."""
    _, device, street, transport, kind, urgency, simple, patrol, sequence, edition = row[:10]
    observed_at, class_code, grid, lat_e5, lon_e5, accuracy_m, text, pictures, component = row[10:]
    segments = texts.of_report(
        Report(
            sequence,
            edition,
            observed_at,
            _KINDS[kind],
            class_code,
            _URGENCIES[urgency],
            simple,
            _PATROLS[patrol],
            grid,
            lat_e5,
            lon_e5,
            accuracy_m,
            text,
            pictures,
            component,
        )
    )
    figures = counts.figures((stored_on, device, transport))
    figures[0] += 1
    figures[1] += segments.report
    figures[2] += segments.confirmation
    key = (day_of(observed_at), street, kind, urgency, transport, simple)
    counts.reports[key] = counts.reports.get(key, 0) + 1


def count_task_change(counts: Counts, texts: OldTexts, row: Mapping[str, Any]) -> None:
    """Count what of a task's change would have been a short message: the first sending, and each
    answer, in time or late. A task that is sent again would have been one message all the same.
    """
    figures = counts.figures((row["day"], row["device"], None))
    if row["is_first_sending"]:
        figures[3] += 1
        figures[4] += texts.of_task(row["task"], row["kind"], row["text"], row["case_number"])
    if row["answer"] is not None:
        figures[5] += 1
        figures[6] += texts.of_answer(row["task"], row["answer"], row["answer_text"])


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns
