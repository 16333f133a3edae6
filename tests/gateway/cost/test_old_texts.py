"""The texts of the old system and their segments."""

import msgspec
import pytest
from hypothesis import given

from gateway.cost.old_texts import (
    ANSWER_FIELDS,
    REPORT_FIELDS,
    TASK_FIELDS,
    OldTexts,
    Segments,
    TemplateError,
    Templates,
)
from gateway.cost.sms import segment_text
from gateway.protocol.report import Report
from tests.helpers.builders import EDITION_2007, NOW, build_report
from tests.helpers.strategies import reports

DEFAULT = OldTexts(Templates())


def texts(**chosen: str) -> OldTexts:
    """With other templates."""
    return OldTexts(Templates(**chosen))


def test_the_default_text_is_the_documented_one() -> None:
    """Every field in its place."""
    assert DEFAULT.report_text(build_report(sequence=17, observed_at=NOW)) == (
        "SB,0203,1,0,3,44030700300101,22.65600,114.15100,12,20080320160000,2,17,,人行道有暴露垃圾"
    )


def test_a_component_stands_in_its_field() -> None:
    """Its whole identity."""
    report = build_report(kind=0, class_code=101, component=4403070101000042)
    assert DEFAULT.report_text(report).split(",")[12] == "4403070101000042"


def test_a_report_and_its_confirmation() -> None:
    """72 characters before the text, Chinese in it: 8 more are two segments of 67 at most. "OK,17"
    is GSM-7, one segment.
    """
    report = build_report(sequence=17)
    assert len(DEFAULT.report_text(report)) == 72 + 8
    assert DEFAULT.of_report(report) == Segments(report=2, confirmation=1)
    long = msgspec.structs.replace(report, description="街" * (3 * 67 - 72))
    assert DEFAULT.of_report(long).report == 3
    longer = msgspec.structs.replace(report, description="街" * (3 * 67 - 72 + 1))
    assert DEFAULT.of_report(longer).report == 4


@pytest.mark.parametrize("kind", ["verify", "check", "notice"])
def test_a_task(kind: str) -> None:
    """Its kind is the wire's number: "RW,7,0,A1," is 10 characters, and 60 of text fill 70."""
    assert DEFAULT.of_task(7, kind, "街" * 60, "A1") == 1
    assert DEFAULT.of_task(7, kind, "街" * 61, "A1") == 2


@pytest.mark.parametrize("answer", ["unable", "exists", "absent", "passed", "failed"])
def test_an_answer(answer: str) -> None:
    """What was found is the wire's number: "HF,7,1," is 7 characters, and 63 of text fill 70."""
    assert DEFAULT.of_answer(7, answer, "街" * 63) == 1
    assert DEFAULT.of_answer(7, answer, "街" * 64) == 2


def test_every_field_of_a_report() -> None:
    """All that there are, and what each becomes."""
    template = "|".join(f"{{{name}}}" for name in REPORT_FIELDS)
    report = build_report(sequence=17, observed_at=NOW, patrol=2, component=None)
    assert texts(report=template).report_text(report) == (
        "17|1|2008-03-20 16:00:00+08:00|1|203|0|1|2|5|44030700300101|2265600|11415100|22.656|"
        "114.151|12|人行道有暴露垃圾|2|"
    )
    assert set(Report.__struct_fields__) <= set(REPORT_FIELDS)


def test_a_confirmation_has_the_fields_of_its_report() -> None:
    """62 characters and the description's 8 are one segment; with one more it is two."""
    report = build_report()
    assert texts(confirmation="街" * 62 + "{description}").of_report(report).confirmation == 1
    assert texts(confirmation="街" * 63 + "{description}").of_report(report).confirmation == 2


@pytest.mark.parametrize(
    "role, fields",
    [
        ("report", REPORT_FIELDS),
        ("confirmation", REPORT_FIELDS),
        ("task", TASK_FIELDS),
        ("answer", ANSWER_FIELDS),
    ],
)
def test_a_wrong_template(role: str, fields: dict[str, object]) -> None:
    """Is refused at the start, with its role and the fields that there are."""
    with pytest.raises(TemplateError) as caught:
        texts(**{role: "{colour}"})
    assert caught.value.role == role
    assert ", ".join(fields) in caught.value.fault


@given(reports(EDITION_2007))
def test_any_report_has_a_text(report: Report) -> None:
    """And its segments are those of the text."""
    segments = segment_text(DEFAULT.report_text(report)).segments
    assert DEFAULT.of_report(report).report == segments
