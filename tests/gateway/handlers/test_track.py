"""A track is stored or rejected like a report."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from gateway.handlers import track
from gateway.handlers.outcome import Outcome
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import WireTrack
from gateway.protocol.wire_report import pack_track
from tests.helpers.builders import CONTEXT, EDITION_2007, build_track
from tests.helpers.strategies import BY_TYPE, UNHURRIED


def test_good_track_is_stored() -> None:
    """In full values."""
    usual = build_track()
    assert track.handle(pack_track(usual, EDITION_2007), CONTEXT) == Outcome(tracks=[usual])


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"edition": 3}, RefusalCode.UNKNOWN_EDITION),
        ({"lons": [0, 0]}, RefusalCode.MALFORMED_MESSAGE),
        ({"lats": [0, 0, 9_000_000]}, RefusalCode.BAD_POSITION),
        ({"times": [0, 0, 0]}, RefusalCode.BAD_TIME),
    ],
)
def test_bad_track_is_rejected(changes: dict[str, Any], code: RefusalCode) -> None:
    """With its number and its first fault."""
    wire = pack_track(build_track(sequence=77), EDITION_2007)
    outcome = track.handle(msgspec.structs.replace(wire, **changes), CONTEXT)
    assert [(each.sequence, each.code) for each in outcome.rejected] == [(77, code)]
    assert outcome == Outcome(rejected=outcome.rejected)


@UNHURRIED
@given(BY_TYPE[WireTrack])
def test_any_track_has_one_outcome(message: WireTrack) -> None:
    """Whatever its columns say, it is stored or rejected under its own number."""
    outcome = track.handle(message, CONTEXT)
    numbers: list[int | None] = [each.sequence for each in outcome.tracks]
    numbers += [each.sequence for each in outcome.rejected]
    assert numbers == [message.sequence]
