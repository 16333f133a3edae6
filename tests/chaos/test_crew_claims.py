"""What a frame must come to, by the gateway's own rules."""

from random import Random

import msgpack
import pytest

from chaos.crew_author import DAY_SECONDS, Author
from chaos.crew_claims import (
    CLOCK_BACK_SECONDS,
    CLOCK_FORWARD_SECONDS,
    STORED,
    Kind,
    content_of,
    frame_of,
)
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import Ping, encode
from gateway.protocol.report import Report
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.builders import EDITION_2007, NOW, TABLES, build_report, build_track

AUTHOR = Author(Random(1), EDITION_2007, NOW)


def body_of(report: Report) -> bytes:
    """A report alone."""
    return encode(pack_report(report, EDITION_2007))


def test_a_good_report() -> None:
    """It is to be stored as it is, whatever form its text has."""
    report = build_report()
    frame = frame_of(body_of(report), TABLES, NOW)
    assert frame == AUTHOR.plain(report)


def test_a_track() -> None:
    """It belongs to another table, and its number is compared apart."""
    written = AUTHOR.track_frame(build_track())
    assert frame_of(written.body, TABLES, NOW) == written
    assert written.claims[0].kind is Kind.TRACK


def test_a_backlog_with_a_bad_report() -> None:
    """Each of its reports is claimed; the bad one with the frame that it came in."""
    good, bad = build_report(), build_report(sequence=2, class_code=99)
    body = encode(pack_backlog([good, bad], EDITION_2007))
    frame = frame_of(body, TABLES, NOW)
    assert frame is not None
    first, second = frame.claims
    assert (first.code, first.content) == (STORED, content_of(good))
    assert first.body == body_of(good)
    assert (second.sequence, second.code) == (2, RefusalCode.UNKNOWN_CLASS)
    assert second.content == second.body == body


def test_no_message() -> None:
    """It belongs to quarantine; with the numbers that can be read."""
    unknown = frame_of(msgpack.packb([99]), TABLES, NOW)
    assert unknown is not None
    assert [(c.sequence, c.kind, c.code) for c in unknown.claims] == [(None, Kind.FRAME, 21)]
    cut = frame_of(msgpack.packb([4, 1, 7, [0, 0]]), TABLES, NOW)
    assert cut is not None
    assert [(c.sequence, c.code) for c in cut.claims] == [(7, 22), (8, 22)]


def test_what_is_no_report() -> None:
    """A ping claims nothing."""
    assert frame_of(encode(Ping()), TABLES, NOW) is None


@pytest.mark.parametrize(
    "off_limit, is_sure",
    [
        (0, False),
        (1 - CLOCK_BACK_SECONDS, False),
        (-CLOCK_BACK_SECONDS, True),
        (CLOCK_FORWARD_SECONDS - 1, False),
        (CLOCK_FORWARD_SECONDS, True),
    ],
)
def test_what_hangs_on_the_gateways_clock(off_limit: int, is_sure: bool) -> None:  # noqa: FBT001 -- a table
    """Near the limit of times ahead nothing is claimed: clocks are changed in a fault run."""
    report = build_report(observed_at=NOW + DAY_SECONDS + off_limit)
    assert (frame_of(body_of(report), TABLES, NOW) is not None) is is_sure
    backlog = encode(pack_backlog([build_report(), report], EDITION_2007))
    assert (frame_of(backlog, TABLES, NOW) is not None) is is_sure
