"""The rows that every part stores, and the frames that bring them: all made before any clock runs.

The reports are those of the scenario `longgang-q1`, scaled. A part that is slow takes the first
reports of each device, so that every part stores a subset of the same rows.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Final

import msgspec

from bench.json_form import json_bytes
from bench.load.packets import PUBLISH_QOS_1, packet
from bench.load.plan import DevicePlan
from device_sim.scenario import longgang_q1
from gateway.copy_format import TRAITS, copy_data, report_row
from gateway.parcel import Transport
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import encode
from gateway.protocol.report import Kind, Patrol, Report, Urgency
from gateway.protocol.tables import Edition
from gateway.protocol.topics import up_topic
from gateway.protocol.wire_report import pack_backlog, pack_report

INSTALLATION_BITS: Final = 31
MAX_PACKET_ID: Final = 65_535

KeyedReport = tuple[int, int, Report]
"""Device, installation and report."""

Body = tuple[bytes, int]
"""The bytes of a message and how many reports are in it."""


class Handset(msgspec.Struct, frozen=True):
    """A device of the bench and everything that it will report."""

    device_id: int
    installation: int
    secret: bytes
    reports: list[Report]


def make_fleet(total: int, seed: int) -> list[Handset]:
    """The scenario's devices, with secrets that follow from the seed and reports dealt out evenly.

    In the scenario some inspectors report ten times as much as others. Where each device waits for
    every ack, the most diligent would go on alone long after the others, and the figure would say
    how long one device waits and not how much the gateway takes. So the rows stay as they are, and
    in their order, but each device gets the same number, numbered from 1.
    """
    scenario = longgang_q1(seed, reports=total, transport="tcp")
    inspectors = scenario.fleet.inspectors
    rows = chain.from_iterable(map(scenario.reports_of, inspectors))
    fleet = []
    for inspector, quota in zip(inspectors, _quotas([1] * len(inspectors), total), strict=True):
        digest = hashlib.sha256(f"bench/{seed}/{inspector.device_id}".encode()).digest()
        installation = int.from_bytes(digest[:4], "big") >> (32 - INSTALLATION_BITS)
        reports = [
            msgspec.structs.replace(row, sequence=sequence)
            for sequence, row in enumerate(islice(rows, quota), start=1)
        ]
        fleet.append(Handset(inspector.device_id, installation, digest[16:], reports))
    return [handset for handset in fleet if handset.reports]


def make_callers(fleet: Sequence[Handset], count: int, reports: int) -> list[Handset]:
    """More devices, each with so many of the fleet's reports as emergencies of its own."""
    rows = [row for handset in fleet for row in handset.reports]
    first = max(handset.device_id for handset in fleet) + 1
    return [
        Handset(
            device_id,
            fleet[0].installation,
            fleet[0].secret,
            [
                msgspec.structs.replace(
                    rows[(place * reports + number) % len(rows)],
                    sequence=number + 1,
                    urgency=Urgency.EMERGENCY,
                )
                for number in range(reports)
            ],
        )
        for place, device_id in enumerate(range(first, first + count))
    ]


def without_emergencies(fleet: Sequence[Handset]) -> list[Handset]:
    """The same reports, none of them urgent."""
    return [
        msgspec.structs.replace(
            handset,
            reports=[
                msgspec.structs.replace(report, urgency=Urgency.ORDINARY)
                if report.urgency == Urgency.EMERGENCY
                else report
                for report in handset.reports
            ],
        )
        for handset in fleet
    ]


def share(fleet: Sequence[Handset], total: int) -> list[Handset]:
    """The first reports of each device, so many that the sum is `total` or all there are."""
    sizes = [len(handset.reports) for handset in fleet]
    quotas = _quotas(sizes, min(total, sum(sizes)))
    return [
        msgspec.structs.replace(handset, reports=handset.reports[:quota])
        for handset, quota in zip(fleet, quotas, strict=True)
        if quota
    ]


def _quotas(sizes: Sequence[int], total: int) -> list[int]:
    """Shares of `total` in proportion to `sizes`, that sum up to it exactly."""
    whole = sum(sizes)
    quotas, seen, given = [], 0, 0
    for size in sizes:
        seen += size
        due = seen * total // whole
        quotas.append(due - given)
        given = due
    return quotas


def total_of(fleet: Sequence[Handset]) -> int:
    """Reports of all devices."""
    return sum(len(handset.reports) for handset in fleet)


def copy_batches(fleet: Sequence[Handset], size: int) -> Iterator[list[KeyedReport]]:
    """Batches like those of a gateway that hears all devices at once: the devices take turns, and
    within a batch the reports stand in order of key.
    """
    turns = max(len(handset.reports) for handset in fleet)
    in_turn = (
        (handset.device_id, handset.installation, handset.reports[turn])
        for turn in range(turns)
        for handset in fleet
        if turn < len(handset.reports)
    )
    while batch := list(islice(in_turn, size)):
        yield sorted(batch, key=_key)


def copy_bytes(batch: Sequence[KeyedReport]) -> memoryview:
    """A batch as the bytes of one COPY, as the gateway packs them."""
    traits = TRAITS[Transport.TCP]
    rows = (report_row(device, own, traits, report) for device, own, report in batch)
    return copy_data(rows)


def copy_records(batch: Sequence[KeyedReport]) -> list[tuple[object, ...]]:
    """A batch as the values that the driver packs, in the order of `REPORT_COLUMNS`."""
    return [
        (
            *(device_id, report.grid, datetime.fromtimestamp(report.observed_at, UTC)),
            *(installation, report.sequence, report.class_code, report.grid // 100_000),
            *(report.lat_e5, report.lon_e5, report.accuracy_m, report.edition, report.pictures),
            *(Kind(report.kind).name.lower(), Urgency(report.urgency).name.lower()),
            *(Patrol(report.patrol).name.lower(), report.simple, Transport.TCP.value),
            *(report.component, report.description),
        )
        for device_id, installation, report in batch
    ]


def _key(keyed: KeyedReport) -> tuple[int, int, int]:
    device_id, installation, report = keyed
    return device_id, installation, report.sequence


def singles(reports: Sequence[Report], edition: Edition) -> list[Body]:
    """Each report as a message of its own."""
    return [(encode(pack_report(report, edition)), 1) for report in reports]


def backlogs(reports: Sequence[Report], edition: Edition, size: int) -> list[Body]:
    """Messages of `size` reports each, the last perhaps of fewer."""
    parts = (reports[begin : begin + size] for begin in range(0, len(reports), size))
    return [(encode(pack_backlog(part, edition)), len(part)) for part in parts]


def jsons(reports: Sequence[Report]) -> list[Body]:
    """Each report as JSON."""
    return [(json_bytes(report), 1) for report in reports]


def tcp_plan(handset: Handset, bodies: Sequence[Body]) -> DevicePlan:
    """What a device writes to its socket after the greeting."""
    return _plan(handset, bodies, lambda _number, body: encode_frame(body))


def mqtt_plan(handset: Handset, bodies: Sequence[Body]) -> DevicePlan:
    """The same as PUBLISH packets with QoS 1 on the device's topic."""
    topic = up_topic(handset.device_id, handset.installation).encode()
    return _plan(handset, bodies, lambda number, body: publish_packet(topic, number, body))


def _plan(
    handset: Handset, bodies: Sequence[Body], pack: Callable[[int, bytes], bytes]
) -> DevicePlan:
    frames = [pack(number, body) for number, (body, _) in enumerate(bodies)]
    through, ends = 0, []
    for _, count in bodies:
        through += count
        ends.append(through)
    return DevicePlan(handset.device_id, handset.installation, handset.secret, frames, ends)


def publish_packet(topic: bytes, number: int, payload: bytes) -> bytes:
    """MQTT 3.1.1, section 3.3. Packet identifiers go round; 0 is none."""
    packet_id = 1 + number % MAX_PACKET_ID
    length = len(topic).to_bytes(2, "big")
    return packet(PUBLISH_QOS_1, length + topic + packet_id.to_bytes(2, "big") + payload)
