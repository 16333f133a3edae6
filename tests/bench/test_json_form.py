"""The report as JSON."""

import json

from bench.json_form import json_bytes
from tests.helpers.builders import build_report


def test_json_is_compact_and_complete() -> None:
    """No blanks, Chinese unescaped, every field of the report."""
    data = json_bytes(build_report())
    assert b" " not in data
    assert "暴露垃圾".encode() in data
    assert len(json.loads(data)) == len(build_report().__struct_fields__)
