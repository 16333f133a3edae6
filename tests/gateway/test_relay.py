"""The relay with a real database and real brokers: what is committed is published, in order."""

import asyncio
import itertools

import pytest

from gateway.protocol.report import Urgency
from gateway.protocol.wire_report import pack_backlog, pack_report
from tests.helpers.brokers import Broker
from tests.helpers.builders import EDITION_2007, build_report, build_reports
from tests.helpers.device_client import greeted
from tests.helpers.event_collector import assert_in_order, collector
from tests.helpers.served_gateway import Look, register, served_gateway

pytestmark = pytest.mark.asyncio

STORED = "field-gateway.report.stored.v1"

_names = itertools.count()


def mqtt_of(broker: Broker) -> dict[str, object]:
    """Settings of a gateway at this broker."""
    return {"enabled": True, "host": broker.host, "port": broker.gateway_port}


async def test_each_stored_report_is_published_once_in_order(
    database_dsn: str, broker: Broker
) -> None:
    """A backlog of 200 and a single report: the subscriber's set is the table's."""
    await register(database_dsn)
    name = f"relay-{next(_names)}"
    async with (
        collector(broker, f"{name}-subscriber") as collected,
        served_gateway(database_dsn, name, mqtt=mqtt_of(broker)) as gateway,
        greeted(gateway.tcp) as device,
    ):
        await device.send(pack_backlog(build_reports(200), EDITION_2007))
        await device.expect_acks_of(*range(1, 201))
        await device.send(pack_report(build_report(sequence=201), EDITION_2007))
        await device.expect_acks_of(201)
        await collected.until(lambda: len(collected.reports()) == 201)
    assert collected.reports() == set(await Look(database_dsn).reports())
    assert_in_order(collected.firsts(STORED))
    assert len(collected.firsts(STORED)) == 201
