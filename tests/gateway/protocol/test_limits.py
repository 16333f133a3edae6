"""The numbers of the protocol keep the promises that are stated beside them."""

import msgpack

from gateway.protocol import limits
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import (
    Ack,
    Welcome,
    WireTrack,
    decode,
    encode,
)
from gateway.protocol.task_messages import Task, TaskKind
from gateway.protocol.text import MAX_DESCRIPTION_CHARACTERS, encode_text
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.builders import EDITION_2007, build_report, build_reports


def test_largest_frame_has_a_length_of_two_bytes() -> None:
    """16,383 is what two LEB128 bytes hold, and takes 9 seconds at 15 kbit/s."""
    assert limits.MAX_FRAME_BYTES == 2**14 - 1
    assert len(encode_frame(bytes(limits.MAX_FRAME_BYTES))) == limits.MAX_FRAME_BYTES + 2
    assert 8 < (limits.MAX_FRAME_BYTES + 2) * 8 / 15_000 < 9


def test_numbers_fit_where_they_are_kept() -> None:
    """PostgreSQL's integer and bigint, a double's whole numbers, 32 bits of time."""
    assert limits.MAX_SEQUENCE == limits.MAX_INSTALLATION == 2**31 - 1
    assert limits.MAX_COMPONENT < 2**63
    assert limits.MAX_DEVICE_ID == 2**53 - 1
    assert limits.MAX_DEVICE_ID > 999_999_999_999_999, "an IMEI has 15 digits"
    assert limits.MAX_TIME == 2**32 - 1


def test_five_thousand_years_of_sequence_numbers() -> None:
    """At 1,000 reports a day the counter lasts 5,800 years."""
    assert 5_800 < limits.MAX_SEQUENCE / 1_000 / 365.25 < 5_900


def test_two_heartbeats_fit_into_the_idle_time() -> None:
    """A single lost heartbeat does not end a session, and a dead one ends before a third."""
    assert 2 * limits.HEARTBEAT_SECONDS + 60 == limits.IDLE_TIMEOUT_SECONDS
    assert limits.HEARTBEAT_SECONDS < 300, "an idle NAT entry of China Mobile lasts so long"
    assert limits.GREETING_TIMEOUT_SECONDS < limits.REPLY_TIMEOUT_SECONDS
    assert limits.REPLY_TIMEOUT_SECONDS < limits.HEARTBEAT_SECONDS


def test_window_holds_four_backlogs() -> None:
    """Four full backlogs may be under way."""
    assert 4 * limits.MAX_BACKLOG_REPORTS <= limits.WINDOW_REPORTS < 5 * 255


def test_full_backlog_fits_in_a_frame() -> None:
    """255 usual reports take about half of the largest frame."""
    run = build_reports(255, description="人行道有暴露垃圾,约两平方米")
    size = len(encode(pack_backlog(run, EDITION_2007)))
    assert size <= limits.MAX_FRAME_BYTES * 0.6


def test_largest_report_fits_in_a_frame() -> None:
    """500 of the dearest characters leave room in the largest frame for six more such reports."""
    text = "".join(chr(0x20000 + 211 * n) for n in range(500))
    report = build_report(description=text, component=10**17 - 1)
    assert len(encode(pack_report(report, EDITION_2007))) < limits.MAX_FRAME_BYTES / 7


def test_largest_track_fits_in_a_frame() -> None:
    """255 points with the widest differences stay within the limit."""
    wide = [2**31 - 1] * 255
    track = WireTrack(127, limits.MAX_SEQUENCE, wide, wide, wide, [65_535] * 255)
    body = encode(track)
    assert len(body) <= limits.MAX_FRAME_BYTES
    assert decode(body) == track


def test_largest_task_fits_in_a_frame() -> None:
    """Nine addresses and a text, all of the dearest characters, leave a quarter of the frame."""
    dear = chr(0x20000)
    task = Task(
        limits.MAX_TASK,
        TaskKind.VERIFY,
        limits.MAX_TIME,
        limits.MAX_TIME,
        dear * limits.MAX_TASK_CHARACTERS,
        dear * limits.MAX_CASE_NUMBER_CHARACTERS,
        limits.MAX_GRID,
        -9_000_000,
        -18_000_000,
        [dear * limits.MAX_PICTURE_ADDRESS_CHARACTERS] * limits.MAX_TASK_PICTURES,
    )
    body = encode(task)
    assert len(body) < limits.MAX_FRAME_BYTES * 3 / 4
    assert decode(body) == task


def test_tasks_are_sent_again_as_often_as_a_handset_waits() -> None:
    """A link that is dead to one side is dead to the other; numbers fit a double and a bigint."""
    assert limits.TASK_RETRY_SECONDS == limits.REPLY_TIMEOUT_SECONDS
    assert limits.MAX_TASK == 2**53 - 1
    assert limits.MAX_GRID == 10**15 - 1 < 2**53
    assert limits.MAX_TASK_CHARACTERS == limits.MAX_DESCRIPTION_CHARACTERS
    assert limits.MAX_TASK_PICTURES == limits.MAX_PICTURES


def test_largest_welcome_and_ack_fit_in_a_frame() -> None:
    """32 refusals in a welcome and 64 ranges in an ack are small, even at their widest."""
    refused = [(limits.MAX_SEQUENCE, 255)] * limits.MAX_REFUSED_IN_WELCOME
    welcome = Welcome(1, bytes(16), 2**32 - 1, 2**31 - 1, 65_535, 65_535, 127, refused)
    assert len(encode(welcome)) < 512
    ack = Ack(2**31 - 1, [2**31 - 1] * (2 * limits.MAX_ACK_RANGES))
    assert len(encode(ack)) < 1_024


def test_small_numbers_are_one_byte() -> None:
    """Version and edition stay one byte in msgpack."""
    assert len(msgpack.packb(limits.MAX_EDITION)) == 1
    assert len(msgpack.packb(limits.PROTOCOL_VERSION)) == 1


def test_description_limit_is_the_texts() -> None:
    """The limit is said twice and must be the same."""
    assert limits.MAX_DESCRIPTION_CHARACTERS == MAX_DESCRIPTION_CHARACTERS == 500
    assert encode_text("") == ""


def test_believable_times() -> None:
    """From the year 2000 on, to a day ahead."""
    assert limits.MIN_OBSERVED_AT == 946_684_800
    assert limits.MAX_CLOCK_AHEAD_SECONDS == 24 * 60 * 60
