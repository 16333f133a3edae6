"""A single report is stored or rejected, and never anything else."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from gateway.handlers import report
from gateway.handlers.outcome import Outcome
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import WireReport, decode
from gateway.protocol.wire_report import pack_report
from tests.helpers.builders import (
    CONTEXT,
    EDITION_2007,
    EDITION_WIDE,
    build_report,
    build_wide_report,
)
from tests.helpers.hex_text import Sample, load_samples
from tests.helpers.strategies import BY_TYPE, UNHURRIED


def _rejected(message: WireReport) -> tuple[int | None, RefusalCode]:
    outcome = report.handle(message, CONTEXT)
    [rejected] = outcome.rejected
    assert outcome == Outcome(rejected=[rejected])
    assert rejected.detail
    return rejected.sequence, rejected.code


def test_good_report_is_stored() -> None:
    """In each edition that the gateway has, in full values."""
    usual, wide = build_report(), build_wide_report()
    assert report.handle(pack_report(usual, EDITION_2007), CONTEXT) == Outcome(reports=[usual])
    assert report.handle(pack_report(wide, EDITION_WIDE), CONTEXT) == Outcome(reports=[wide])


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"edition": 3}, RefusalCode.UNKNOWN_EDITION),
        ({"class_code": 999}, RefusalCode.UNKNOWN_CLASS),
        ({"traits": 1 | 3 << 1}, RefusalCode.BAD_TRAITS),
        ({"traits": 1 | 3 << 4}, RefusalCode.BAD_TRAITS),
        ({"grid": 0}, RefusalCode.UNKNOWN_GRID),
        ({"lat": 2**31 - 1}, RefusalCode.BAD_POSITION),
        ({"observed_at": 0}, RefusalCode.BAD_TIME),
        ({"text": "a\tb"}, RefusalCode.BAD_TEXT),
        ({"text": "x" * 501}, RefusalCode.BAD_TEXT),
        ({"text": b"\xff"}, RefusalCode.BAD_TEXT),
        ({"component": 1_000_000}, RefusalCode.BAD_COMPONENT),
    ],
)
def test_bad_report_is_rejected(changes: dict[str, Any], code: RefusalCode) -> None:
    """With its number and its fault, for the device and for the quarantine."""
    wire = pack_report(build_report(sequence=77), EDITION_2007)
    assert _rejected(msgspec.structs.replace(wire, **changes)) == (77, code)


@UNHURRIED
@given(BY_TYPE[WireReport])
def test_any_report_has_one_outcome(message: WireReport) -> None:
    """Whatever its fields say, it is stored or rejected under its own number."""
    outcome = report.handle(message, CONTEXT)
    numbers: list[int | None] = [each.sequence for each in outcome.reports]
    numbers += [each.sequence for each in outcome.rejected]
    assert numbers == [message.sequence]
    assert outcome.is_settled_later


@pytest.mark.parametrize(
    "sample",
    [sample for sample in load_samples() if sample.code is None],
    ids=lambda sample: sample.name,
)
def test_wire_sample_with_a_bad_text(sample: Sample) -> None:
    """A frame that decodes though no text stands in the text's place is a bad text."""
    message = decode(sample.body)
    assert isinstance(message, WireReport)
    assert _rejected(message) == (1, RefusalCode.BAD_TEXT)
