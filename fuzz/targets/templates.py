"""Templates of the old system's texts: a setting that must not run anything or fill the memory."""

from collections.abc import Mapping
from typing import Final

import msgspec

from fuzz.targets.items import NOW
from gateway.cost.old_texts import REPORT_FIELDS, TASK_FIELDS, OldTexts, Templates
from gateway.cost.templates import FieldKind, Template, TemplateError
from gateway.protocol.limits import MAX_DESCRIPTION_CHARACTERS, MAX_SEQUENCE
from gateway.protocol.report import Report

_USUAL: Final = Report(
    sequence=42,
    edition=1,
    observed_at=NOW,
    kind=1,
    class_code=102,
    urgency=0,
    simple=False,
    patrol=0,
    grid=44_030_700_100_101,
    lat_e5=2_272_000,
    lon_e5=11_425_000,
    accuracy_m=10,
    description="井盖破损\U0001f573",
    pictures=2,
    component=None,
)
_EXTREME: Final = msgspec.structs.replace(
    _USUAL,
    sequence=MAX_SEQUENCE,
    observed_at=2**32 - 1,
    lat_e5=-9_000_000,
    lon_e5=-18_000_000,
    description="{}%井" * (MAX_DESCRIPTION_CHARACTERS // 4),
    component=44_030_701_020_000_001,
)
_MAX_FIELD_CHARACTERS: Final = MAX_DESCRIPTION_CHARACTERS
"""Longest that one field becomes: a description; a number takes at most the 99 places of its
format, and a time four characters for each two of its own."""


def check(data: bytes) -> None:
    """A template that is taken fills for every report, and to no more than its fields hold."""
    template = data.decode("utf-8", "surrogateescape")
    if _is_taken("report", template, REPORT_FIELDS):
        texts = OldTexts(Templates(report=template, confirmation=template))
        fields = template.count("{")
        for report in (_USUAL, _EXTREME):
            text = texts.report_text(report)
            assert len(text) <= 2 * len(template) + fields * _MAX_FIELD_CHARACTERS
        assert texts.of_report(_EXTREME).report >= 1
    if _is_taken("task", template, TASK_FIELDS):
        texts = OldTexts(Templates(task=template))
        text = "查" * MAX_DESCRIPTION_CHARACTERS
        assert texts.of_task(2**53 - 1, "check", text, "{}") >= 1


def _is_taken(role: str, template: str, fields: Mapping[str, FieldKind]) -> bool:
    try:
        Template(role, template, fields)
    except TemplateError as error:
        assert error.role == role
        assert error.fault
        return False
    return True
