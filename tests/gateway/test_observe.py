"""What is told of a happening: its metrics and its log line. Sessions are tested with sessions."""

import json
from collections.abc import Callable, Iterator

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway import observe
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.errors import RefusalCode
from tests.helpers.builders import build_reports

TCP = {"transport": "tcp"}


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """The configuration of structlog as it was before."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def value_of(name: str, labels: dict[str, str] | None = None) -> float:
    """The present value of a metric."""
    return REGISTRY.get_sample_value(name, labels or {}) or 0.0


def grown(name: str, labels: dict[str, str] | None = None) -> Callable[[], float]:
    """By how much a metric has grown since now: other tests count in the same process."""
    before = value_of(name, labels)
    return lambda: value_of(name, labels) - before


def parcel_of_four() -> Parcel:
    """Four reports over TCP."""
    return Parcel(1, 2, Transport.TCP, b"", build_reports(4))


def test_the_ledger_of_the_metrics_closes() -> None:
    """Received equals stored, duplicate, quarantined, refused and in flight, at every moment."""
    fates = ("stored", "duplicate", "quarantined", "refused")
    growth = {fate: grown(f"gateway_{fate}_total", TCP) for fate in fates}
    received, in_flight = grown("gateway_received_total", TCP), grown("gateway_in_flight", TCP)
    observe.parcel_received(Transport.TCP, 4)
    assert (received(), in_flight()) == (4, 4)
    kinds = (Verdict.STORED, Verdict.STORED, Verdict.DUPLICATE, Verdict.QUARANTINED)
    verdicts = [
        ItemVerdict(number, kind, RefusalCode.BAD_TEXT if kind is Verdict.QUARANTINED else None)
        for number, kind in enumerate(kinds, 1)
    ]
    observe.batch_written([parcel_of_four()], [verdicts], 0.01)
    observe.refused(Transport.TCP, 3)
    assert {fate: value() for fate, value in growth.items()} == {
        "stored": 2,
        "duplicate": 1,
        "quarantined": 1,
        "refused": 3,
    }
    assert (received(), in_flight()) == (7, 0)


def test_batch_written() -> None:
    """Size and duration go into histograms, and a line at debug level tells them."""
    items, seconds = grown("gateway_batch_items_sum"), grown("gateway_batch_seconds_sum")
    verdicts = [ItemVerdict(number, Verdict.STORED) for number in range(1, 5)]
    with capture_logs() as logs:
        observe.batch_written([parcel_of_four()], [verdicts], 0.25)
    assert items() == 4
    assert seconds() == pytest.approx(0.25)
    assert logs == [
        {"event": "batch_written", "items": 4, "seconds": 0.25, "log_level": "debug"},
    ]


def test_parcels_given_up() -> None:
    """What is given up leaves the items in flight and is an error in the log."""
    given_up = grown("gateway_given_up_total", TCP)
    in_flight = grown("gateway_in_flight", TCP)
    observe.parcel_received(Transport.TCP, 4)
    with capture_logs() as logs:
        observe.parcels_given_up([parcel_of_four()])
    assert (given_up(), in_flight()) == (4, 0)
    assert logs == [
        {"event": "parcels_given_up", "parcels": 1, "items": 4, "log_level": "error"},
    ]


def test_ack_latency() -> None:
    """From received to acked, per transport."""
    count = grown("gateway_ack_seconds_count", TCP)
    observe.parcel_settled(Transport.TCP, 0.003)
    assert count() == 1


@pytest.mark.parametrize(
    "happens,metric,event,level",
    [
        (
            lambda: observe.batch_retried(OSError("gone"), 3, 0.123),
            "gateway_batch_retries_total",
            "batch_retried",
            "warning",
        ),
        (
            lambda: observe.batch_failed(KeyError("bug"), 3),
            "gateway_batch_failures_total",
            "batch_failed",
            "error",
        ),
        (
            lambda: observe.callback_failed(KeyError("bug")),
            "gateway_callback_failures_total",
            "callback_failed",
            "error",
        ),
    ],
)
def test_incidents(happens: Callable[[], None], metric: str, event: str, level: str) -> None:
    """Each incident has a counter and a line of its own level."""
    growth = grown(metric)
    with capture_logs() as logs:
        happens()
    assert growth() == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [(event, level)]


def test_watch_queue() -> None:
    """A queue's depth is read when the metrics are."""
    depth = 3
    observe.watch_queue("of this test", lambda: depth)
    depth = 7
    assert value_of("gateway_queue_depth", {"queue": "of this test"}) == 7


@pytest.mark.usefixtures("logging_restored")
def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """For machines each line is one object with time, level, event and the traceback in it."""
    observe.configure_logging("json", "info")
    observe.batch_failed(KeyError("城管"), 2)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["parcels"]) == ("batch_failed", "error", 2)
    assert "城管" in line["exception"]
    assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("logging_restored")
def test_text_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """For people a line is plain text; without a terminal it has no colours."""
    observe.configure_logging("text", "info")
    observe.batch_retried(OSError("gone"), 3, 0.5)
    written = capsys.readouterr().err
    assert "batch_retried" in written
    assert "gone" in written
    assert "\x1b" not in written


@pytest.mark.usefixtures("logging_restored")
def test_auto_without_a_terminal_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Under a service manager nobody has to ask for JSON."""
    observe.configure_logging("auto", "info")
    observe.callback_failed(ValueError())
    assert json.loads(capsys.readouterr().err)["event"] == "callback_failed"


@pytest.mark.usefixtures("logging_restored")
def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are not written."""
    observe.configure_logging("json", "error")
    observe.batch_retried(OSError(), 1, 0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["session_failures", "turned_away", "not_admitted"])
def test_rare_things_are_there_at_zero(name: str) -> None:
    """Before they happen: else the first of them would be no rise to Prometheus."""
    for transport in Transport:
        labels = {"transport": transport.value}
        assert REGISTRY.get_sample_value(f"gateway_{name}_total", labels) is not None


def test_a_queue_with_a_bound_tells_it() -> None:
    """So that an alert knows how full it is; one without tells none."""
    observe.watch_queue("bounded", lambda: 3, 4)
    observe.watch_queue("unbounded", lambda: 3)
    assert REGISTRY.get_sample_value("gateway_queue_limit", {"queue": "bounded"}) == 4
    assert REGISTRY.get_sample_value("gateway_queue_limit", {"queue": "unbounded"}) is None


def test_no_series_for_when_a_counter_was_made() -> None:
    """It would double them all."""
    names = {sample.name for metric in REGISTRY.collect() for sample in metric.samples}
    assert [name for name in names if name.endswith("_created")] == []
