"""Who takes part in a flood run, and the frames that they send."""

import hashlib
from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import Final

import msgspec

from bench.flood.attacks import FIRST_NUMBER
from bench.flood.peer import Who
from bench.flood.plan import FloodPlan, HonestHandset
from bench.workload import Handset, make_fleet, singles
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import MAX_BACKLOG_REPORTS, MAX_FRAME_BYTES
from gateway.protocol.messages import encode
from gateway.protocol.report import Report, Urgency
from gateway.protocol.tables import Edition
from gateway.protocol.wire_report import pack_backlog, pack_report

HONEST: Final = 150
NEWCOMERS: Final = 10
HOSTILE: Final = 100
FIRST_HOSTILE_DEVICE: Final = 990_000_000_000_000
REPORTS_EACH: Final = 600
"""Of an honest handset: more than a run has time for."""

COMMON_CHARACTERS: Final = (0x4E00, 0x9FA5)
"""Chance letters of Chinese deflate badly, so that a text fills its frame."""


def make_plan(seed: int, edition: Edition) -> tuple[FloodPlan, list[Handset]]:
    """The plan, and everybody in it to be registered."""
    fleet = list(islice(make_fleet(773 * REPORTS_EACH, seed), HONEST + NEWCOMERS))
    honest, newcomers = fleet[:HONEST], fleet[HONEST:]
    hostile = [_hostile(place, seed) for place in range(HOSTILE)]
    rows = honest[0].reports
    plan = FloodPlan(
        handsets=[
            HonestHandset(_who(one), [encode_frame(b) for b, _ in singles(one.reports, edition)])
            for one in honest
        ],
        newcomers=list(map(_who, newcomers)),
        hostile=list(map(_who, hostile)),
        largest_frame=largest_frame(rows, edition, Random(seed)),
        urgent_frame=urgent_frame(rows[0], edition),
    )
    return plan, [*fleet, *hostile]


def largest_frame(rows: Sequence[Report], edition: Edition, random: Random) -> bytes:
    """A backlog of as many reports as one may have, with texts that fill the frame."""
    characters, frame = 1, b""
    while True:
        reports = [
            msgspec.structs.replace(
                rows[place % len(rows)],
                sequence=FIRST_NUMBER + place,
                description=_text(random, characters),
            )
            for place in range(MAX_BACKLOG_REPORTS)
        ]
        body = encode(pack_backlog(reports, edition))
        if len(body) > MAX_FRAME_BYTES:
            return frame
        frame = encode_frame(body)
        characters += 1


def urgent_frame(row: Report, edition: Edition) -> bytes:
    """An emergency."""
    urgent = msgspec.structs.replace(row, sequence=FIRST_NUMBER, urgency=Urgency.EMERGENCY)
    return encode_frame(encode(pack_report(urgent, edition)))


def _text(random: Random, characters: int) -> str:
    return "".join(chr(random.randint(*COMMON_CHARACTERS)) for _ in range(characters))


def _hostile(place: int, seed: int) -> Handset:
    secret = hashlib.sha256(f"hostile/{seed}/{place}".encode()).digest()[:16]
    return Handset(FIRST_HOSTILE_DEVICE + place, 1, secret, [])


def _who(handset: Handset) -> Who:
    return Who(handset.device_id, handset.installation, handset.secret)
