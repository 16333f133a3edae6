"""What a competent developer would write in an hour to store the same reports, kept honest.

One MQTT subscription, JSON, one INSERT and commit for each message; repetitions are left to the
key. It already does some things right: uvloop, a prepared statement (asyncpg keeps it), typed
columns, ON CONFLICT. What it lacks is what the gateway is for: the broker gets its PUBACK before
the row is committed (the library's default), the device never learns what was stored, a bad
message ends the program, nothing bounds what waits in memory.
"""

import asyncio
import os
from datetime import UTC, datetime

import aiomqtt
import asyncpg
import msgspec
import uvloop

TOPIC = "fg/1/+/up/+"
KINDS = ("component", "event")
URGENCIES = ("ordinary", "difficult", "emergency")
PATROLS = ("routine", "special", "hotline")
STREET_DIGITS = 9

INSERT = """
    INSERT INTO report (
        device_id, installation, sequence, edition, observed_at, kind, class_code, urgency, simple,
        patrol, grid, street_code, lat_e5, lon_e5, accuracy_m, description, pictures, component,
        transport
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'mqtt'
    )
    ON CONFLICT DO NOTHING
"""


async def main() -> None:
    """Store what comes, for ever. Addresses come from the environment."""
    environment = os.environ
    database = await asyncpg.connect(environment["DSN"])
    async with aiomqtt.Client(
        environment["MQTT_HOST"],
        int(environment["MQTT_PORT"]),
        username=environment["MQTT_USER"],
        password=environment["MQTT_PASSWORD"],
    ) as client:
        await client.subscribe(TOPIC, qos=1)
        print("ready", flush=True)
        async for message in client.messages:
            await store(database, message)


async def store(database: asyncpg.Connection, message: aiomqtt.Message) -> None:
    """One report, one transaction."""
    _, _, device_id, _, installation = message.topic.value.split("/")
    report = msgspec.json.decode(message.payload)
    await database.execute(
        INSERT,
        int(device_id),
        int(installation),
        report["sequence"],
        report["edition"],
        datetime.fromtimestamp(report["observed_at"], UTC),
        KINDS[report["kind"]],
        report["class_code"],
        URGENCIES[report["urgency"]],
        report["simple"],
        PATROLS[report["patrol"]],
        report["grid"],
        int(str(report["grid"])[:STREET_DIGITS]),
        report["lat_e5"],
        report["lon_e5"],
        report["accuracy_m"],
        report["description"],
        report["pictures"],
        report["component"],
    )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
