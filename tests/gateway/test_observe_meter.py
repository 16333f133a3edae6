"""What is told of the meter."""

import pytest

from gateway import observe_meter
from gateway.parcel import Transport
from tests.helpers.metrics import TCP, grown


def test_bytes_by_transport_and_way() -> None:
    """Each has its own figure."""
    up = grown("gateway_meter_bytes_total", {**TCP, "way": "up"})
    down = grown("gateway_meter_bytes_total", {**TCP, "way": "down"})
    connections = grown("gateway_meter_connections_total", TCP)
    observe_meter.traffic_metered(Transport.TCP, 3, 5)
    observe_meter.traffic_metered(Transport.MQTT, 7, 7)
    observe_meter.connection_metered(Transport.TCP)
    assert (up(), down(), connections()) == (3, 5, 1)


def test_what_no_bill_shows() -> None:
    """Strangers and losses."""
    strangers = grown("gateway_meter_strangers_bytes_total", TCP)
    lost = grown("gateway_meter_lost_bytes_total")
    observe_meter.strangers_traffic(Transport.TCP, 4)
    observe_meter.traffic_lost(6)
    assert (strangers(), lost()) == (4, 6)


def test_failures_are_counted_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A database that is away, and a bug."""
    failures = grown("gateway_meter_flush_failures_total")
    observe_meter.traffic_waits(OSError("away"), 0.5)
    observe_meter.traffic_failed(ValueError("a bug"))
    assert failures() == 2
    logged = capsys.readouterr().out
    assert "traffic_waits" in logged
    assert "traffic_failed" in logged
