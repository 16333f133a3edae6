"""The whole gateway: how it starts, what it tells of itself, in which order it ends."""

import asyncio
import os
import signal
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
import trustme
from structlog.testing import capture_logs

from gateway.app import serve
from gateway.batcher import Batcher
from gateway.demo_figures import figures_of
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Goodbye, Ping, Pong
from gateway.server_process import free_port
from gateway.settings_loader import SettingsError
from gateway.tcp_server import RESTART_RETRY_SECONDS
from tests.helpers.brokers import Broker
from tests.helpers.certificates import make_certificate
from tests.helpers.databases import migrate_now
from tests.helpers.device_client import ANSWER_WITHIN_SECONDS, greeted
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.metrics import LedgerOfMetrics, grown
from tests.helpers.mqtt_device import mqtt_device
from tests.helpers.served_gateway import Look, register, served_gateway, settings_of
from tests.helpers.tcp_gateway import until
from tests.helpers.wire import wire

pytestmark = pytest.mark.asyncio


async def get(url: str) -> tuple[int, str]:
    """Status and text."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.text()


async def test_a_gateway_tells_of_itself(database_dsn: str) -> None:
    """Ready, alive, and the queues of its stations in the metrics."""
    async with served_gateway(database_dsn) as gateway:
        assert await get(f"{gateway.http}/readyz") == (200, '{"database": true, "room": true}')
        assert (await get(f"{gateway.http}/healthz"))[0] == 200
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            reader, writer = await asyncio.open_connection(*gateway.tcp)
            await reader.read(1)
        _, text = await get(f"{gateway.http}/metrics")
        assert 'gateway_queue_depth{queue="tcp_connections"} 0.0' in text
        assert 'gateway_queue_depth{queue="tcp_strangers"} 1.0' in text
        assert 'gateway_queue_depth{queue="tcp_refusals_held"} 0.0' in text
        assert 'gateway_queue_limit{queue="tcp_strangers"} 2000.0' in text
        assert 'gateway_queue_depth{queue="admission_greetings"} 0.0' in text
        assert 'gateway_queue_depth{queue="batcher_pending_items"} 0.0' in text
        assert 'gateway_queue_limit{queue="tcp_connections"} 10000.0' in text
        assert "gateway_devices_online 0.0" in text
        assert "gateway_batcher_full 0.0" in text
        assert figures_of(text)["sessions"] == 1
        writer.close()


async def test_readiness_follows_the_database(database_dsn: str) -> None:
    """Away and back, while the process lives on."""
    async with fault_proxy(database_dsn) as proxy, served_gateway(proxy.dsn(database_dsn)) as it:
        proxy.cut()
        assert (await get(f"{it.http}/readyz"))[0] == 503
        assert (await get(f"{it.http}/healthz"))[0] == 200
        proxy.flow()
        assert (await get(f"{it.http}/readyz"))[0] == 200


async def test_a_database_without_our_schema_is_not_ready(empty_database_dsn: str) -> None:
    """Nobody can be admitted, so nobody should be sent here."""
    async with served_gateway(empty_database_dsn) as gateway:
        assert (await get(f"{gateway.http}/readyz"))[0] == 503
        await asyncio.to_thread(migrate_now, empty_database_dsn)
        assert (await get(f"{gateway.http}/readyz"))[0] == 200


async def test_the_order_of_the_end(database_dsn: str) -> None:
    """Accept nothing more, commit, ack, goodbye; then health goes, then the process."""
    await register(database_dsn)
    ledger = LedgerOfMetrics()
    with capture_logs() as logs:
        async with (
            served_gateway(database_dsn, batch={"linger_seconds": 60}) as gateway,
            greeted(gateway.tcp) as client,
        ):
            await client.send(wire(1), wire(2))
            await until(lambda: ledger.counts().get("in_flight") == 2)
            await client.send(Ping())
            await client.expect(Pong)
            gateway.stop.set()
            await client.expect_acks_of(1, 2)
            goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
            assert await client.expect_end() == ([], goodbye)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*gateway.tcp)
    assert await Look(database_dsn).ledger() == [(2, 2, 0, 0, 0)]
    told = [line["event"] for line in logs if line["event"] in {"started", "draining", "stopped"}]
    assert told == ["started", "draining", "stopped"]


async def test_an_end_while_the_database_is_away(database_dsn: str) -> None:
    """After the drain's time it gives up, says so, and acks nothing."""
    await register(database_dsn)
    given_up = grown("gateway_given_up_total", {"transport": "tcp"})
    with capture_logs() as logs:
        async with fault_proxy(database_dsn) as proxy:
            settings = settings_of(proxy.dsn(database_dsn))
            settings = msgspec.structs.replace(settings, drain_timeout_seconds=0.2)
            stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve(settings, stop, started.set_result))
                addresses = await started
                async with greeted(addresses.tcp) as client:
                    proxy.cut()
                    await client.send(wire(1))
                    await client.send(Ping())
                    await client.expect(Pong)
                    stop.set()
                    goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
                    assert await client.expect_end() == ([], goodbye)
    assert given_up() == 1
    assert "parcels_given_up" in [line["event"] for line in logs]
    assert await Look(database_dsn).reports() == []


async def test_a_stop_before_the_database_is_there() -> None:
    """Nothing was started, nothing has to be drained."""
    stop = asyncio.Event()
    settings = settings_of(f"postgresql://u@127.0.0.1:{free_port()}/d")
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(settings, stop, lambda _addresses: None))
            await until(lambda: any(line["event"] == "database_away" for line in logs))
            stop.set()


async def test_a_stop_while_the_database_is_silent(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started a stop does not wait for the server's answer."""
    monkeypatch.setattr("gateway.store.CONNECT_TIMEOUT_SECONDS", 3_600.0)
    stop = asyncio.Event()
    async with fault_proxy(database_dsn) as proxy:
        proxy.hang()
        asked = proxy.next_request()
        settings = settings_of(proxy.dsn(database_dsn))
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(settings, stop, lambda _addresses: None))
            await asked.wait()
            stop.set()


async def test_a_station_that_fails_ends_the_process(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the batcher itself is no state to go on in: the supervisor starts anew."""

    async def fail(_batcher: Batcher) -> None:
        raise ZeroDivisionError("a bug of this test")

    monkeypatch.setattr(Batcher, "run", fail)
    with pytest.raises(ExceptionGroup):
        await serve(settings_of(database_dsn), asyncio.Event(), lambda _addresses: None)


async def test_both_transports_at_once(database_dsn: str, nats_broker: Broker) -> None:
    """The same report over TCP and MQTT: one row, both acked; readiness names the broker."""
    await register(database_dsn)
    mqtt = {"enabled": True, "host": nats_broker.host, "port": nats_broker.gateway_port}
    # A name of its own: the broker keeps what it has for another gateway of the same name.
    settings = settings_of(database_dsn, f"both-{uuid.uuid4()}")
    settings = msgspec.structs.replace(
        settings, mqtt=msgspec.convert({**mqtt, "version": "3.1.1"}, type(settings.mqtt))
    )
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, started.set_result))
        addresses = await started
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            while (await get(f"{addresses.http}/readyz"))[0] != 200:
                pass
        assert '"broker": true' in (await get(f"{addresses.http}/readyz"))[1]
        async with (
            greeted(addresses.tcp, 3) as over_tcp,
            mqtt_device(nats_broker, 3) as over_mqtt,
        ):
            await over_tcp.send(wire(1))
            await over_tcp.expect_acks_of(1)
            await over_mqtt.publish(wire(1))
            await over_mqtt.receive()
        stop.set()
    look = Look(database_dsn)
    assert await look.reports() == [(3, 1, 1)]
    assert await look.rows(
        "SELECT transport::text, stored::int, duplicate::int FROM ledger_by_day ORDER BY 1"
    ) == [("mqtt", 0, 1), ("tcp", 1, 0)]


async def test_a_database_that_takes_no_writes(
    own_postgres: EmbeddedPostgres,
) -> None:
    """A server that became read-only: not ready, nothing acked until it can be written to."""
    await asyncio.to_thread(migrate_now, own_postgres.dsn)
    await register(own_postgres.dsn)
    look = Look(own_postgres.dsn)
    retries = grown("gateway_batch_retries_total")
    async with served_gateway(own_postgres.dsn) as gateway, greeted(gateway.tcp) as client:
        await look.rows("ALTER SYSTEM SET default_transaction_read_only = on")
        await look.rows("SELECT pg_reload_conf()")
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            while (await get(f"{gateway.http}/readyz"))[0] != 503:
                pass
        await client.send(wire(1))
        await until(lambda: retries() >= 1)
        await client.send(Ping())
        await client.expect(Pong)
        await asyncio.to_thread(own_postgres.stop)
        auto = own_postgres.place / "data" / "postgresql.auto.conf"
        auto.write_text("")
        await asyncio.to_thread(own_postgres.start)
        await client.expect_acks_of(1)


async def test_a_renewed_certificate_is_taken_on_sighup(database_dsn: str, tmp_path: Path) -> None:
    """New connections get it; who is connected goes on. One of no use changes nothing."""
    await register(database_dsn)
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    files = make_certificate(tmp_path, authority)
    with capture_logs() as logs:

        def told(event: str) -> int:
            return sum(line["event"] == event for line in logs)

        async with (
            served_gateway(database_dsn, tcp=files.settings) as gateway,
            greeted(gateway.tcp, tls=files.trusting()) as client,
        ):
            make_certificate(tmp_path, authority)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: told("tls_certificate_loaded") == 2)
            make_certificate(tmp_path, authority, datetime.now(UTC) - timedelta(1))
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: told("tls_certificate_not_reloaded") == 1)
            await client.send(Ping())
            await client.expect(Pong)
            async with greeted(gateway.tcp, 2, tls=files.trusting()):
                """It is served with the certificate that is good."""


async def test_nothing_listens_before_somebody_has_decided_about_tls(database_dsn: str) -> None:
    """Neither a certificate nor the word that plaintext is meant."""
    with pytest.raises(SettingsError, match=r"tcp\.certificate: missing"):
        await serve(
            settings_of(database_dsn, tcp={"plaintext": False}),
            asyncio.Event(),
            lambda _addresses: None,
        )
