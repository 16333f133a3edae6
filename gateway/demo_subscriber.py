"""The demo's subscriber: counts the events of reports as a downstream service sees them.

A program of its own, with the client library that a downstream team would use and a session that
outlives a restart of the broker. On SIGTERM it compares what came with the database, waits for
what is still on its way, and writes its figures.
"""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import psycopg
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.events import REPORT_STORED
from gateway.protocol.topics import EVENTS

QUIET_SECONDS: Final = 20.0
"""When nothing new came for so long, what is missing will not come: longer than a reconnect."""

SUBSCRIBED: Final = "subscribed"
"""Printed when no event can be missed any more."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at what has come."""

FETCH_ROWS: Final = 10_000

Key = tuple[int, int, int]


class Place(msgspec.Struct):
    """What of a report's event is counted."""

    device: int = 0
    installation: int = 0
    sequence: int = 0


class Arrival(msgspec.Struct):
    """What of an event is counted."""

    type: str
    subject: str
    sequence: str
    data: Place


class Counter:
    """Counts distinct events, repetitions, and those out of order."""

    def __init__(self) -> None:
        self.reports: set[Key] = set()
        self.emergencies: set[Key] = set()
        self.repeated = 0
        self.out_of_order = 0
        self.others = 0
        self._last: dict[str, str] = {}
        self._decode = msgspec.json.Decoder(Arrival).decode

    def count(self, topic: str, body: bytes | bytearray) -> None:
        """Count one event."""
        if not topic.startswith((f"{EVENTS}/report/", f"{EVENTS}/emergency/")):
            self.others += 1
            return
        event = self._decode(body)
        if event.type != REPORT_STORED:
            self.others += 1
            return
        key = (event.data.device, event.data.installation, event.data.sequence)
        if topic.startswith(f"{EVENTS}/emergency/"):
            self.emergencies.add(key)
        elif key in self.reports:
            self.repeated += 1
        else:
            self.reports.add(key)
            if event.sequence <= self._last.get(event.subject, ""):
                self.out_of_order += 1
            self._last[event.subject] = event.sequence


def figures(counter: Counter, stored: set[Key]) -> dict[str, int]:
    """What came beside what is stored."""
    return {
        "distinct": len(counter.reports),
        "missing": len(stored - counter.reports),
        "extra": len(counter.reports - stored),
        "repeated": counter.repeated,
        "out_of_order": counter.out_of_order,
        "emergencies": len(counter.emergencies),
        "others": counter.others,
    }


def stored_keys(dsn: str) -> set[Key]:
    """The keys of all reports in the database."""
    return set(_keys(dsn))


def _keys(dsn: str) -> Iterator[Key]:
    with psycopg.connect(dsn) as connection, connection.cursor("demo_subscriber") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute("SELECT device_id, installation, sequence FROM report")
        yield from cursor


def connect(host: str, port: int, user: str, password: str, counter: Counter) -> paho.Client:
    """A client that stays connected and counts; its thread is started by `loop_start`."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"demo-subscriber-{user}",
        clean_session=False,
        protocol=paho.MQTTv311,
    )
    client.username_pw_set(user, password)

    def subscribe(client: paho.Client, *_: Any) -> None:
        client.subscribe(f"{EVENTS}/#", qos=1)

    def receive(_client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        counter.count(message.topic, message.payload)

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: click.echo(SUBSCRIBED)
    client.on_message = receive
    client.connect(host, port)
    return client


@click.command()
@click.option("--broker", required=True, metavar="HOST:PORT")
@click.option("--user", required=True)
@click.option("--password", required=True, envvar="PASSWORD")
@click.option("--dsn", required=True, help="The database to compare with.")
@click.option("--json", "json_file", required=True, type=click.Path(path_type=Path))
def main(broker: str, user: str, password: str, dsn: str, json_file: Path) -> None:
    """Count the events of reports until SIGTERM; then compare with the database."""
    counter, stopped = Counter(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    host, _, port = broker.rpartition(":")
    client = connect(host, int(port), user, password, counter)
    client.loop_start()
    stopped.wait()
    stored = stored_keys(dsn)
    _wait_for_the_rest(counter, stored)
    client.disconnect()
    client.loop_stop()
    result = figures(counter, stored)
    json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(result["missing"] or result["extra"] or result["out_of_order"]))


def _wait_for_the_rest(counter: Counter, stored: set[Key]) -> None:
    """Until all has come, or nothing comes any more."""
    seen, pause = -1, threading.Event()
    while len(counter.reports) < len(stored) and len(counter.reports) > seen:
        seen = len(counter.reports)
        for _ in range(int(QUIET_SECONDS / LOOK_SECONDS)):
            if len(counter.reports) >= len(stored):
                return
            pause.wait(LOOK_SECONDS)


if __name__ == "__main__":
    main()
