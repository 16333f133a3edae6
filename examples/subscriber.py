"""Take the field gateway's events: each once, none lost, also over a restart or a kill -9.

Copy this file and docs/events/, put your work into `process`, and run it with Python 3.11 and
`pip install paho-mqtt jsonschema rfc3339-validator`. docs/events.md says what you may rely on.

The broker keeps events until we acknowledge them. First we commit, in one transaction, what we have
done and that we have done it; then we acknowledge. What comes again is known by its id.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "events"
TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS subscriber (client_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (source TEXT, id TEXT, PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invalid (topic TEXT, payload BLOB, why TEXT, UNIQUE (topic, payload));
CREATE TABLE IF NOT EXISTS total (type TEXT PRIMARY KEY, events INTEGER NOT NULL);
"""


def process(event: dict[str, Any], state: sqlite3.Connection) -> None:
    """Your work. What it writes to `state` happens once, whatever happens to this program."""
    count = "INSERT INTO total VALUES (?, 1) ON CONFLICT DO UPDATE SET events = events + 1"
    state.execute(count, [event["type"]])
    print(event["time"], event["type"], event["subject"], event["id"])


class Subscriber:
    """Between the broker and the state file: the forty lines to copy."""

    def __init__(self, state: sqlite3.Connection, client: mqtt.Client, topic_filter: str) -> None:
        self.state, self.client, self.topic_filter = state, client, topic_filter
        self.unacked: list[mqtt.MQTTMessage] = []
        self.validators = {schema_name(path): validator(path) for path in schemas()}
        client.on_connect = self.on_connect
        client.on_subscribe = self.on_subscribe
        client.on_message = self.on_message
        client.on_disconnect = lambda *_: self.unacked.clear()  # the broker sends these again

    def on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        """Process an event that is new and valid; `settle` commits and acknowledges."""
        self.unacked.append(message)
        try:
            event = json.loads(message.payload)
            self.validators[event["type"]].validate(event)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with it, the next one waits
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            print(f"invalid, on {message.topic}: {why}", file=sys.stderr)
            row = [message.topic, message.payload, why]
            self.state.execute("INSERT OR IGNORE INTO invalid VALUES (?, ?, ?)", row)
            return
        known = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
        if self.state.execute(known, [event["source"], event["id"]]).rowcount:
            process(event, self.state)

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
        self.client.subscribe(self.topic_filter, qos=1)

    def on_subscribe(self, _client: Any, _userdata: Any, _mid: Any, codes: Any, _: Any) -> None:
        """Say that nothing can be missed from now on, or end."""
        if codes[0].is_failure:
            sys.exit(f"the broker does not let us read {self.topic_filter}")
        print(f"subscribed to {self.topic_filter}", file=sys.stderr)

    def run(self, host: str, port: int) -> None:
        """Take events until told to stop."""
        self.client.connect_async(host, port)
        connected = False
        while not stopping:
            waiting = len(self.unacked)
            # Many that wait are settled together: a commit costs the disk as much as for one.
            if not connected:
                connected = is_reconnected(self.client)
            elif self.client.loop(timeout=0 if waiting else 0.2):
                connected = False
            elif len(self.unacked) in {waiting, 500}:
                self.settle()
        self.settle()
        self.client.disconnect()


stopping: list[int] = []
"""The signal that ends the program."""


def is_reconnected(client: mqtt.Client) -> bool:
    """Try once; the broker may be away."""
    try:
        return client.reconnect() == mqtt.MQTT_ERR_SUCCESS
    except OSError as error:
        print(f"no connection to the broker: {error}", file=sys.stderr)
        time.sleep(1)
        return False


def client_id_of(state: sqlite3.Connection) -> str:
    """The name under which the broker keeps our session; made with the state file."""
    with state:
        state.execute(
            "INSERT INTO subscriber SELECT ? WHERE NOT EXISTS (SELECT * FROM subscriber)",
            [f"subscriber-{uuid.uuid4().hex}"],
        )
    return str(state.execute("SELECT client_id FROM subscriber").fetchone()[0])


def schema_name(path: Path) -> str:
    """The type of events that a file describes."""
    return path.name.removesuffix(".schema.json")


def schemas() -> list[Path]:
    """The files of the schemas; without them every event would be invalid."""
    return list(SCHEMAS.glob("*.json")) or sys.exit(f"no schemas in {SCHEMAS}")


def validator(path: Path) -> Draft202012Validator:
    """Checks events of one type, formats included."""
    schema, checker = json.loads(path.read_bytes()), Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, format_checker=checker)


def options() -> argparse.Namespace:
    """What the command line says."""
    env = os.environ
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    add = parser.add_argument
    add("--broker", default=env.get("BROKER", "127.0.0.1:1883"), help="HOST:PORT; or $BROKER")
    add("--user", default=env.get("BROKER_USER"), help="or $BROKER_USER")
    add("--password", default=env.get("BROKER_PASSWORD"), help="better in $BROKER_PASSWORD")
    add("--filter", default="fg/1/event/#", help="topics; default: %(default)s")
    add("--state", default="subscriber.sqlite", help="what was done; a new file, a new subscriber")
    add("--count", action="store_true", help="print totals by type at the end")
    return parser.parse_args()


def main() -> None:
    """Run until Ctrl-C or SIGTERM."""
    given = options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    state = sqlite3.connect(given.state)
    state.executescript(TABLES)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id_of(state), clean_session=False, manual_ack=True
    )
    client.username_pw_set(given.user, given.password)
    host, _, port = given.broker.rpartition(":")
    Subscriber(state, client, given.filter).run(host, int(port))
    if given.count:
        for event_type, events in state.execute("SELECT type, events FROM total ORDER BY type"):
            print(f"{events:>9,} {event_type}")


if __name__ == "__main__":
    main()
