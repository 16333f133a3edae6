"""The texts that the old system would have sent by SMS for the same work, and their segments."""

from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Final

import msgspec

from gateway.cost import templates
from gateway.cost.china import CHINA_TIME
from gateway.cost.sms import count_segments
from gateway.cost.templates import FieldKind, Template, TemplateError
from gateway.protocol.report import Report
from gateway.protocol.task_messages import Answer, TaskKind

__all__ = ["OldTexts", "Segments", "TemplateError", "Templates"]

_PATROLS: Final = 3
_E5: Final = 100_000


class Templates(msgspec.Struct, frozen=True, kw_only=True):
    """Texts with fields in braces. Which fields there are stands in `REPORT_FIELDS`,
    `TASK_FIELDS` and `ANSWER_FIELDS`; a confirmation has those of its report.
    """

    report: str = templates.REPORT
    confirmation: str = templates.CONFIRMATION
    task: str = templates.TASK
    answer: str = templates.ANSWER


class Segments(msgspec.Struct, frozen=True):
    """Short messages for one report."""

    report: int
    confirmation: int


REPORT_FIELDS: Final[Mapping[str, FieldKind]] = {
    "sequence": FieldKind.NUMBER,
    "edition": FieldKind.NUMBER,
    "observed_at": FieldKind.TIME,
    "kind": FieldKind.NUMBER,
    "class_code": FieldKind.NUMBER,
    "urgency": FieldKind.NUMBER,
    "simple": FieldKind.NUMBER,
    "patrol": FieldKind.NUMBER,
    "flags": FieldKind.NUMBER,
    "grid": FieldKind.NUMBER,
    "lat_e5": FieldKind.NUMBER,
    "lon_e5": FieldKind.NUMBER,
    "lat": FieldKind.DEGREES,
    "lon": FieldKind.DEGREES,
    "accuracy_m": FieldKind.NUMBER,
    "description": FieldKind.TEXT,
    "pictures": FieldKind.NUMBER,
    "component": FieldKind.TEXT,
}
"""Of a report and its confirmation: those of `Report`; degrees; simple case and patrol in one
digit (`flags`); the component's identity, empty where there is none."""

TASK_FIELDS: Final[Mapping[str, FieldKind]] = {
    "number": FieldKind.NUMBER,
    "kind": FieldKind.NUMBER,
    "case_number": FieldKind.TEXT,
    "text": FieldKind.TEXT,
}
"""Of a task. Its kind is the number that stands for it on the wire."""

ANSWER_FIELDS: Final[Mapping[str, FieldKind]] = {
    "number": FieldKind.NUMBER,
    "answer": FieldKind.NUMBER,
    "text": FieldKind.TEXT,
}
"""Of an answer: the task's number, what was found, as the number on the wire, and the words."""


def _observed_at(report: Report) -> datetime:
    return datetime.fromtimestamp(report.observed_at, CHINA_TIME)


_REPORT_GETTERS: Final[Mapping[str, Callable[[Report], object]]] = {
    **{name: attrgetter(name) for name in REPORT_FIELDS if name in Report.__struct_fields__},
    "observed_at": _observed_at,
    "kind": lambda report: int(report.kind),
    "urgency": lambda report: int(report.urgency),
    "simple": lambda report: int(report.simple),
    "patrol": lambda report: int(report.patrol),
    "flags": lambda report: int(report.simple) * _PATROLS + report.patrol,
    "lat": lambda report: report.lat_e5 / _E5,
    "lon": lambda report: report.lon_e5 / _E5,
    "component": lambda report: "" if report.component is None else str(report.component),
}


class OldTexts:
    """Fills the templates and counts their segments. Raises `TemplateError` when made of wrong
    ones; the message names the template.
    """

    def __init__(self, chosen: Templates) -> None:
        self._report = _ReportText("report", chosen.report)
        self._confirmation = _ReportText("confirmation", chosen.confirmation)
        self._task = Template("task", chosen.task, TASK_FIELDS)
        self._answer = Template("answer", chosen.answer, ANSWER_FIELDS)

    def of_report(self, report: Report) -> Segments:
        """Segments of a report, and of the confirmation back."""
        confirmation = self._confirmation.text(report)
        return Segments(count_segments(self.report_text(report)), count_segments(confirmation))

    def of_task(self, number: int, kind: str, text: str, case_number: str) -> int:
        """Segments of a task sent to a handset. `kind`: verify, check or notice."""
        values = {
            "number": number,
            "kind": TaskKind[kind.upper()].value,
            "case_number": case_number,
            "text": text,
        }
        return count_segments(self._task.fill([values[name] for name in self._task.names]))

    def of_answer(self, number: int, answer: str, text: str) -> int:
        """Segments of an inspector's answer. `answer`: as in the database."""
        values = {"number": number, "answer": Answer[answer.upper()].value, "text": text}
        return count_segments(self._answer.fill([values[name] for name in self._answer.names]))

    def report_text(self, report: Report) -> str:
        """The text of a report."""
        return self._report.text(report)


class _ReportText:
    """Looks up only what its template names: this runs for every report."""

    def __init__(self, role: str, template: str) -> None:
        self._template = Template(role, template, REPORT_FIELDS)
        self._getters = [_REPORT_GETTERS[name] for name in self._template.names]

    def text(self, report: Report) -> str:
        return self._template.fill([get(report) for get in self._getters])
