"""The rows and the frames made of them."""

from bench.workload import (
    backlogs,
    copy_batches,
    copy_bytes,
    copy_records,
    jsons,
    make_callers,
    make_fleet,
    mqtt_plan,
    publish_packet,
    share,
    singles,
    tcp_plan,
    total_of,
)
from gateway.copy_format import HEADER, REPORT_COLUMNS
from gateway.handlers.context import Context
from gateway.handlers.report import handle
from gateway.protocol.framing import FrameBuffer
from gateway.protocol.messages import WireReport, decode
from gateway.protocol.report import Urgency
from gateway.reference import load_tables
from tests.helpers.builders import NOW

FLEET = make_fleet(2_000, seed=1)
TABLES = load_tables()
EDITION = TABLES.editions[1]


def test_rows_are_dealt_out_evenly() -> None:
    """All devices get the same number, give or take one, numbered from 1."""
    assert total_of(FLEET) == 2_000
    assert {len(handset.reports) for handset in FLEET} == {2, 3}
    assert all([r.sequence for r in h.reports] == list(range(1, len(h.reports) + 1)) for h in FLEET)


def test_callers_are_others_with_emergencies_only() -> None:
    """None is a device of the fleet; each has its own numbers from 1, more than there are rows."""
    callers = make_callers(FLEET[:2], 3, 10)
    assert {caller.device_id for caller in callers}.isdisjoint(h.device_id for h in FLEET[:2])
    assert len({caller.device_id for caller in callers}) == 3
    reports = [report for caller in callers for report in caller.reports]
    assert [report.sequence for report in reports] == [*range(1, 11)] * 3
    assert {report.urgency for report in reports} == {Urgency.EMERGENCY}


def test_the_same_seed_gives_the_same_fleet() -> None:
    """Secrets and installations too; another seed another fleet."""
    assert make_fleet(2_000, seed=1) == FLEET
    assert make_fleet(2_000, seed=2) != FLEET


def test_few_reports_make_few_devices() -> None:
    """Nobody greets who has nothing to say."""
    assert len(make_fleet(10, seed=1)) == 10


def test_a_share_is_exact() -> None:
    """The first reports of each, and no more than there are."""
    half = share(FLEET, 1_000)
    assert total_of(half) == 1_000
    assert half[0].reports == FLEET[0].reports[: len(half[0].reports)]
    assert share(FLEET, 5_000) == FLEET


def test_every_report_is_valid() -> None:
    """What the gateway would say of each frame."""
    context = Context(TABLES, NOW + 90 * 86_400)
    for handset in FLEET[:100]:
        for body, count in singles(handset.reports, EDITION):
            message = decode(body)
            assert isinstance(message, WireReport)
            assert len(handle(message, context).reports) == count == 1


def test_batches_hold_every_row_once_in_order_of_key() -> None:
    """Devices take turns, as a gateway hears them."""
    batches = list(copy_batches(FLEET, 300))
    keys = [[(d, i, r.sequence) for d, i, r in batch] for batch in batches]
    assert [len(batch) for batch in keys] == [300] * 6 + [200]
    assert all(batch == sorted(batch) for batch in keys)
    assert len({key for batch in keys for key in batch}) == 2_000


def test_both_forms_of_a_batch_hold_all_columns() -> None:
    """Values for the driver, bytes for PostgreSQL."""
    batch = next(copy_batches(FLEET, 300))
    assert {len(record) for record in copy_records(batch)} == {len(REPORT_COLUMNS)}
    assert bytes(copy_bytes(batch)).startswith(HEADER)


def test_a_tcp_plan_ends_where_its_reports_end() -> None:
    """Frames that a gateway can cut apart, and the number of the last report in each."""
    handset = make_fleet(773 * 70, seed=1)[0]
    plan = tcp_plan(handset, backlogs(handset.reports, EDITION, 32))
    assert plan.ends == [32, 64, 70]
    buffer = FrameBuffer()
    buffer.feed(b"".join(plan.frames))
    assert [type(decode(buffer.next_body() or b"")).__name__ for _ in plan.frames] == [
        "WireBacklog"
    ] * 3


def test_an_mqtt_plan_names_the_device_in_the_topic() -> None:
    """PUBLISH with QoS 1."""
    plan = mqtt_plan(FLEET[0], jsons(FLEET[0].reports))
    topic = f"fg/1/{plan.device_id}/up/{plan.installation}".encode()
    assert all(frame[0] == 0x32 and topic in frame for frame in plan.frames)


def test_a_publish_packet_by_hand() -> None:
    """Length, topic, identifier, payload; identifiers go round and are never 0."""
    assert publish_packet(b"a", 0, b"xy") == bytes.fromhex("32 07 0001 61 0001 7879")
    assert publish_packet(b"a", 65_534, b"")[-2:] == b"\xff\xff"
    assert publish_packet(b"a", 65_535, b"")[-2:] == b"\x00\x01"
