"""`examples/subscriber.py` against real brokers: each event once, none lost, whatever happens."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt import publish as paho_publish

from gateway import embedded_broker
from gateway.embedded_broker import BrokerUser, EmbeddedBroker
from tests.helpers.brokers import Broker
from tests.helpers.event_schemas import validate
from tests.helpers.golden_events import GOLDEN

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "subscriber.py"

if TYPE_CHECKING:
    from paho.mqtt.publish import AuthParameter, MessageDict

    MessageTuple = tuple[str, str | bytes | bytearray | int | float | None, int, bool]

TOPIC, REPORT = GOLDEN["ordinary report"]

MANY = 3_000
"""More lines than two pipes hold, so that the subscriber is not done before it is killed twice."""


@pytest.fixture
def place_of_topics() -> str:
    """Begins the topics of this test: the session's brokers remember what others published."""
    return f"subscriber-test/{uuid.uuid4().hex}"


@pytest.fixture
def quick_redelivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """NATS sends again after a second what was not acknowledged, instead of half a minute."""
    monkeypatch.setattr(embedded_broker, "ACK_WAIT_S", 1)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The subscriber's file."""
    return tmp_path / "state.sqlite"


def test_processes_each_event_once(broker: Broker, place_of_topics: str, state: Path) -> None:
    """Repeats are dropped by id, in one run and in the next; every kind of event is understood."""
    events = [text for _, text in GOLDEN.values()]
    ids = [json.loads(text)["id"] for text in events]
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        send(broker, f"{place_of_topics}/a", [*events, *events, report(1)])
        assert running.ids(len(events) + 1) == [*ids, "report/1"]
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        send(broker, f"{place_of_topics}/b", [*events, report(1), report(2)])
        assert running.ids(1) == ["report/2"]
    assert processed(state) == {*ids, "report/1", "report/2"}


def test_what_came_while_it_was_away_waits(
    broker: Broker, place_of_topics: str, state: Path
) -> None:
    """The broker keeps its events between two runs, and they come in order."""
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        send(broker, place_of_topics + "/a", [report(0)])
        assert running.ids(1) == ["report/0"]
    send(broker, place_of_topics + "/a", map(report, range(1, 50)))
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        assert running.ids(49) == [f"report/{number}" for number in range(1, 50)]
    assert len(processed(state)) == 50


def test_kill_9_loses_nothing_and_processes_nothing_twice(
    quick_redelivery: None, own_broker: Broker, place_of_topics: str, state: Path
) -> None:
    """Killed twice in the middle of its work, it has done all of it once in the end."""
    expected = {f"report/{number}" for number in range(MANY)}
    with subscriber(own_broker, state, f"{place_of_topics}/#", by=signal.SIGKILL) as running:
        send(own_broker, f"{place_of_topics}/first", [report(0)])
        running.ids(1)
        send(own_broker, f"{place_of_topics}/all", map(report, range(MANY)))
        running.ids(100)
    with subscriber(own_broker, state, f"{place_of_topics}/#", by=signal.SIGKILL) as running:
        running.ids(100)
    assert processed(state) < expected
    with subscriber(own_broker, state, f"{place_of_topics}/#") as running:
        left = expected - processed(state)
        while left:
            left.difference_update(running.ids(1))
    assert processed(state) == expected


def test_outlives_its_broker(
    quick_redelivery: None, own_broker: Broker, place_of_topics: str, state: Path
) -> None:
    """A broker that was restarted finds it again, and nothing is missing."""
    with subscriber(own_broker, state, f"{place_of_topics}/#") as running:
        send(own_broker, f"{place_of_topics}/a", map(report, range(10)))
        assert len(running.ids(10)) == 10
        own_broker.restart()
        send(own_broker, f"{place_of_topics}/a", map(report, range(20)))
        assert len(running.ids(10)) == 10
    assert len(processed(state)) == 20


def test_invalid_events_are_told_and_not_processed(
    broker: Broker, place_of_topics: str, state: Path
) -> None:
    """They are set aside with the reason, and do not hold up what follows."""
    wrong_urgency = report(1).replace('"ordinary"', '"soon"')
    no_zone = report(2).replace("07:59:58Z", "07:59:58")
    other_type = report(3).replace("stored.v1", "stored.v9")
    bad = ["not JSON", "[]", "{}", "\udcff", wrong_urgency, no_zone, other_type]
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        send(broker, f"{place_of_topics}/a", [*bad, report(4)])
        assert running.ids(1) == ["report/4"]
    assert processed(state) == {"report/4"}
    with closing(sqlite3.connect(state)) as connection:
        rows = connection.execute("SELECT why FROM invalid ORDER BY rowid").fetchall()
    reasons = [str(why) for (why,) in rows]
    assert len(reasons) == len(bad)
    assert reasons[2] == "KeyError: 'type'"
    assert "'soon' is not one of" in reasons[4]
    assert "is not a 'date-time'" in reasons[5]
    assert reasons[6] == "KeyError: 'field-gateway.report.stored.v9'"
    assert running.errors.count("invalid, on subscriber-test/") == len(bad)


def test_counts_at_the_end(broker: Broker, place_of_topics: str, state: Path) -> None:
    """`--count` prints what was processed by type, over all runs."""
    with subscriber(broker, state, f"{place_of_topics}/#") as running:
        send(broker, f"{place_of_topics}/a", [report(1), report(2)])
        running.ids(2)
    with subscriber(broker, state, f"{place_of_topics}/#", "--count") as running:
        send(broker, f"{place_of_topics}/a", [report(3), report(3)])
        running.ids(1)
    assert running.output.split() == ["3", "field-gateway.report.stored.v1"]


def test_says_what_it_may_not_do(place: Path, tmp_path: Path, state: Path) -> None:
    """A broker that refuses the topic ends it with a sentence; the right user may read all."""
    users = [BrokerUser("1", "first", 1), BrokerUser("gateway", "central")]
    broker = EmbeddedBroker(place / tmp_path.name, users)
    broker.start()
    try:
        refused = Running(broker, state, "fg/1/event/#", "--user=1", "--password=first")
        assert refused.end() == 1
        assert refused.errors == "the broker does not let us read fg/1/event/#\n"
        login = ["--user=gateway", "--password=central"]
        with subscriber(broker, tmp_path / "other", "fg/1/event/#", *login) as running:
            send(broker, TOPIC, [REPORT], {"username": "gateway", "password": "central"})
            assert running.ids(1) == [json.loads(REPORT)["id"]]
    finally:
        broker.stop()


def report(number: int) -> str:
    """A report's event of this number."""
    text = REPORT.replace("report/4403070001/1001/42", f"report/{number}")
    validate(TOPIC, text)
    return text


def test_does_not_begin_without_schemas(broker: Broker, tmp_path: Path, state: Path) -> None:
    """A copy that forgot them would take every event for invalid."""
    copy = tmp_path / "elsewhere" / PROGRAM.name
    copy.parent.mkdir()
    shutil.copy(PROGRAM, copy)
    alone = Running(broker, state, "fg/1/event/#", program=copy)
    assert alone.end() == 1
    assert alone.errors.startswith("no schemas in ")


def send(
    broker: Broker, topic: str, payloads: Iterable[str], auth: AuthParameter | None = None
) -> None:
    """Publish, and return when the broker has acknowledged all."""
    messages: list[MessageDict | MessageTuple] = [
        {"topic": topic, "payload": text.encode("utf-8", "surrogateescape"), "qos": 1}
        for text in payloads
    ]
    paho_publish.multiple(messages, broker.host, broker.port, auth=auth, protocol=mqtt.MQTTv311)


class Running:
    """The program as a process, subscribed. Its filter is the first argument."""

    def __init__(
        self, broker: Broker, state: Path, *arguments: str, program: Path = PROGRAM
    ) -> None:
        topic_filter, *others = arguments
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-u", program),
                f"--broker={broker.host}:{broker.port}",
                *(f"--state={state}", f"--filter={topic_filter}", *others),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output = ""
        """What it has printed and nobody has read, once it has ended."""
        self.errors = ""

    def until_subscribed(self) -> None:
        """Wait until nothing that is published can pass it by."""
        assert self._process.stderr is not None
        self.errors = self._process.stderr.readline()
        assert self.errors.startswith("subscribed to"), self.errors

    def ids(self, count: int) -> list[str]:
        """The ids of the next lines that it prints."""
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline() for _ in range(count)]
        assert all(lines), "it has ended"
        return [line.split()[-1] for line in lines]

    def end(self, by: signal.Signals | None = None) -> int:
        """Send it a signal, wait for its end, and return its exit code."""
        if by is not None:
            self._process.send_signal(by)
        self.output, rest = self._process.communicate()
        self.errors += rest
        return self._process.returncode


@contextmanager
def subscriber(
    broker: Broker, state: Path, *arguments: str, by: signal.Signals = signal.SIGTERM
) -> Iterator[Running]:
    """The program, ended by a signal; with code 0 if the signal leaves it the choice."""
    known_to_broker = state.exists()
    running = Running(broker, state, *arguments)
    try:
        if not known_to_broker:
            running.until_subscribed()
        yield running
    except BaseException:
        running.end(signal.SIGKILL)
        raise
    assert running.end(by) == (-signal.SIGKILL if by is signal.SIGKILL else 0), running.errors


def processed(state: Path) -> set[str]:
    """Ids of what it has processed; its own count, made with them, says that each was once."""
    with closing(sqlite3.connect(state)) as connection:
        ids = [str(found) for (found,) in connection.execute("SELECT id FROM seen")]
        (total,) = connection.execute("SELECT coalesce(sum(events), 0) FROM total").fetchone()
    assert total == len(ids)
    return set(ids)
