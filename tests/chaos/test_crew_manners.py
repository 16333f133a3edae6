"""Each manner of sending, against a real gateway and broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from chaos.crew_author import Author
from chaos.crew_claims import Frame
from chaos.crew_journal import Journal
from chaos.crew_manners import MANNERS
from chaos.crew_member import Member, World
from chaos.crew_settle import settle
from gateway.reference import load_tables
from tests.helpers.brokers import Broker
from tests.helpers.builders import NOW
from tests.helpers.device_client import secret_of
from tests.helpers.served_gateway import Look, register, served_gateway

pytestmark = pytest.mark.asyncio

SETTLES_WITHIN_SECONDS = 60.0
REPORTS = 12
COMPLETE = {"usual, TCP", "usual, MQTT", "everywhere", "byte by byte", "deaf"}
"""Manners that hear what became of everything."""


@asynccontextmanager
async def handset(dsn: str, nats_broker: Broker, tmp_path: Path) -> AsyncIterator[Member]:
    """A handset between a gateway and its broker."""
    await register(dsn)
    mqtt = {"enabled": True, "version": "3.1.1"}
    mqtt |= {"host": nats_broker.host, "port": nats_broker.port}
    async with served_gateway(dsn, "manners", mqtt=mqtt) as gateway:
        journal = Journal(tmp_path / "journal.sqlite")
        world = World((gateway.tcp,), (nats_broker.host, nats_broker.port))
        try:
            yield Member(1, secret_of(1), Random(1), journal, world, installation=7)
        finally:
            journal.close()


def frames_of(member: Member) -> list[Frame]:
    """Reports that are written down."""
    author = Author(member.random, load_tables().editions[1], NOW)
    return member.note([author.single(author.report(n)) for n in member.take_numbers(REPORTS)])


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_manner_and_its_end(
    database_dsn: str, nats_broker: Broker, tmp_path: Path, manner: str
) -> None:
    """Whatever was sent and however, in the end each report is stored once and nothing is open."""
    async with handset(database_dsn, nats_broker, tmp_path) as member:
        frames = frames_of(member)
        with suppress(OSError, TimeoutError):
            await MANNERS[manner][0](member, frames)
        async with asyncio.timeout(SETTLES_WITHIN_SECONDS):
            while manner in COMPLETE and member.journal.open_claims(1):
                with suppress(OSError, TimeoutError):
                    await MANNERS[manner][0](member, frames)
            await settle(member)
    expected = [(1, 7, number) for number in range(1, REPORTS + 1)]
    assert await Look(database_dsn).reports() == expected
    kept = await Look(database_dsn).rows("SELECT DISTINCT code FROM quarantine")
    assert kept == ([(20,)] if manner == "misframed" else [])
