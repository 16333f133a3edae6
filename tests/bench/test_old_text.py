"""The report as text and as JSON."""

import json

from bench.old_text import json_bytes, sms_text
from tests.helpers.builders import NOW, build_report


def test_the_text_is_the_documented_one() -> None:
    """Every field in its place."""
    assert sms_text(build_report(sequence=17, observed_at=NOW)) == (
        "SB,0203,1,0,3,44030700300101,22.65600,114.15100,12,20080320160000,2,17,,人行道有暴露垃圾"
    )


def test_a_component_stands_in_its_field() -> None:
    """Its whole identity."""
    report = build_report(kind=0, class_code=101, component=4403070101000042)
    assert sms_text(report).split(",")[12] == "4403070101000042"


def test_json_is_compact_and_complete() -> None:
    """No blanks, Chinese unescaped, every field of the report."""
    data = json_bytes(build_report())
    assert b" " not in data
    assert "暴露垃圾".encode() in data
    assert len(json.loads(data)) == len(build_report().__struct_fields__)
