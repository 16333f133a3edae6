"""Take the field gateway's events: each once, none lost, also over a restart or a kill -9.

Copy this file and docs/events/, put your own work into `process`, and run it with Python 3.11 and
`pip install paho-mqtt jsonschema rfc3339-validator`. docs/events.md says what you may rely on.

How it works: the broker keeps events for us until we acknowledge them. We first write down in
SQLite, in one transaction, what we have done and that we have done it; then we acknowledge. What
comes a second time is known by its id and dropped. `on_message` and `settle` below are all of that.
One state file is one subscriber: it holds the name under which the broker knows us.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "events"
MAX_BATCH = 500  # events in one transaction when many wait: it costs the disk as much as one event
RECONNECT_AFTER_S = 1.0

TABLES = """
CREATE TABLE IF NOT EXISTS subscriber (client_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (source TEXT, id TEXT, PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invalid (topic TEXT, payload BLOB, why TEXT, UNIQUE (topic, payload));
CREATE TABLE IF NOT EXISTS total (type TEXT PRIMARY KEY, events INTEGER NOT NULL);
"""


def process(event: dict[str, Any], state: sqlite3.Connection) -> None:
    """Your work. What it writes to `state` happens once, whatever happens to us; the line that it
    prints comes twice if we are killed between it and the commit.
    """
    state.execute(
        "INSERT INTO total VALUES (?, 1) ON CONFLICT DO UPDATE SET events = events + 1",
        [event["type"]],
    )
    print(event["time"], event["type"], event["subject"], event["id"])


class Subscriber:
    """Between the broker and the state file."""

    def __init__(self, state: sqlite3.Connection, topic_filter: str) -> None:
        self.state = state
        self.topic_filter = topic_filter
        self.unacked: list[mqtt.MQTTMessage] = []
        self.validators = {
            schema["properties"]["type"]["const"]: Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            for schema in (json.loads(path.read_bytes()) for path in SCHEMAS.glob("*.json"))
        }
        if not self.validators:
            sys.exit(f"no schemas in {SCHEMAS}")
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id_of(state),
            clean_session=False,  # the broker keeps what comes while we are away
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_disconnect = self.on_disconnect
        self.client.on_message = self.on_message

    def on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        """Process an event that is new and valid; `settle` commits and acknowledges."""
        self.unacked.append(message)
        try:
            event = self.checked(message.payload)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with it, the next one waits
            self.set_aside(message, str(error).partition("\n")[0])
            return
        known = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
        if self.state.execute(known, [event["source"], event["id"]]).rowcount:
            process(event, self.state)

    def checked(self, payload: bytes | bytearray) -> Any:
        """The event in a message; raises if it is none or breaks its schema."""
        event = json.loads(payload)
        event_type = event.get("type") if isinstance(event, dict) else None
        if event_type not in self.validators:
            raise ValueError(f"no schema for type {event_type}")
        self.validators[event_type].validate(event)
        return event

    def set_aside(self, message: mqtt.MQTTMessage, why: str) -> None:
        """Keep what is no valid event, tell of it, and go on."""
        print(f"invalid, on {message.topic}: {why}", file=sys.stderr)
        row = [message.topic, message.payload, why]
        self.state.execute("INSERT OR IGNORE INTO invalid VALUES (?, ?, ?)", row)

    def settle(self) -> None:
        """First remember, then acknowledge."""
        self.state.commit()
        for message in self.unacked:
            self.client.ack(message.mid, message.qos)
        self.unacked.clear()

    def on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _: Any) -> None:
        """Subscribe; doing so again in a session that the broker has kept does no harm."""
        if reason.is_failure:
            print(f"the broker refuses us: {reason}", file=sys.stderr)
        else:
            self.client.subscribe(self.topic_filter, qos=1)

    def on_subscribe(self, _client: Any, _userdata: Any, _mid: Any, codes: Any, _: Any) -> None:
        """Say that we have begun, or end if we may not read this."""
        if codes[0].is_failure:
            sys.exit(f"the broker does not let us read {self.topic_filter}")
        print(f"subscribed to {self.topic_filter}", file=sys.stderr)

    def on_disconnect(self, *_: Any) -> None:
        """The broker sends again what was not acknowledged, under numbers of the new connection."""
        self.unacked.clear()

    def run(self, host: str, port: int, stopping: threading.Event) -> None:
        """Take events until told to stop."""
        self.client.connect_async(host, port)
        self.reconnect()
        while not stopping.is_set():
            waiting = len(self.unacked)
            if self.client.loop(timeout=0 if waiting else 0.2) != mqtt.MQTT_ERR_SUCCESS:
                stopping.wait(RECONNECT_AFTER_S)
                self.reconnect()
            elif len(self.unacked) == waiting or waiting >= MAX_BATCH:
                self.settle()  # no more was there to be read, or it is enough
        self.settle()
        self.client.disconnect()

    def reconnect(self) -> None:
        """Try once; the broker may still be away."""
        try:
            self.client.reconnect()
        except OSError as error:
            print(f"no connection to the broker: {error}", file=sys.stderr)


def client_id_of(state: sqlite3.Connection) -> str:
    """The name under which the broker knows us, made with the state file."""
    row = state.execute("SELECT client_id FROM subscriber").fetchone()
    if row is None:
        row = (f"subscriber-{uuid.uuid4().hex}",)
        state.execute("INSERT INTO subscriber VALUES (?)", row)
        state.commit()
    return str(row[0])


def open_state(path: Path) -> sqlite3.Connection:
    """The state file, made if it is not there. A commit is on the disk when it returns."""
    state = sqlite3.connect(path)
    state.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {TABLES}")
    return state


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    add = parser.add_argument
    add("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="default: %(default)s")
    add("--user", default=os.environ.get("MQTT_USER"), help="default: $MQTT_USER, else none")
    add("--password", default=os.environ.get("MQTT_PASSWORD"), help="better in $MQTT_PASSWORD")
    add("--filter", default="fg/1/event/#", metavar="TOPIC", help="default: %(default)s")
    add(
        "--state",
        type=Path,
        default="subscriber.sqlite",
        metavar="FILE",
        help="what was processed so far; a new file is a new subscriber; default: %(default)s",
    )
    add("--count", action="store_true", help="print totals by type at the end (Ctrl-C)")
    return parser.parse_args()


def main() -> None:
    """Run until Ctrl-C or SIGTERM."""
    given = options()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    host, _, port = given.broker.rpartition(":")
    state = open_state(given.state)
    subscriber = Subscriber(state, given.filter)
    if given.user:
        subscriber.client.username_pw_set(given.user, given.password)
    subscriber.run(host, int(port), stopping)
    if given.count:
        for event_type, events in state.execute("SELECT type, events FROM total ORDER BY type"):
            print(f"{events:>9,} {event_type}")
    state.close()


if __name__ == "__main__":
    main()
