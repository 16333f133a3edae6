"""The parts: what each is, and what it sends."""

from typing import Final, Literal

import msgspec

from gateway.protocol.limits import WINDOW_REPORTS

BACKLOG_REPORTS: Final = 32
"""Reports in a backlog: some hours of one inspector."""

BACKLOGS_UNDER_WAY: Final = 8
"""Backlogs of one device that are under way: a quarter of the window."""

MQTT_UNDER_WAY: Final = 8
"""Single messages of one device under way over MQTT. With 773 devices that is well below what the
broker lets the gateway hold unacknowledged, so that the broker delivers nothing twice."""

BACKLOG_TO_TAKE: Final = 100_000
"""Ordinary reports that are brought while emergencies come."""

CALLERS: Final = 16
"""Devices that send emergencies meanwhile."""

EMERGENCIES_EACH: Final = 2_000
"""Prepared for each of them: more than fit into the time that the ordinary reports take."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One way of storing the rows through a gateway, or (b) through the script."""

    name: str
    title: str
    transport: Literal["tcp", "mqtt"]
    form: Literal["single", "backlog", "json"]
    window_reports: int
    portion: int
    """Sends one in so many of all reports: a slow part needs fewer for the same precision."""
    at_most: int | None = None
    """Sends no more reports than this."""
    callers: int = 0
    """So many more devices send emergencies one at a time."""
    beside: str | None = None
    """The part that is the same without events: for the price of the relay."""
    unmetered: str | None = None
    """The part that is the same, but metered as all are: for the price of the meter."""

    @property
    def publishes(self) -> bool:
        """Whether the gateway publishes meanwhile what it stores, and somebody subscribes."""
        return self.beside is not None or bool(self.callers)

    @property
    def needs_broker(self) -> bool:
        """For its devices or for its events."""
        return self.transport == "mqtt" or self.publishes


CEILING_TITLE: Final = "COPY of the rows by one connection (asyncpg): the ceiling"
RAW_CEILING_TITLE: Final = "the same with the rows packed before the clock: PostgreSQL alone"

PARTS: Final = (
    Part(
        name="c",
        title="gateway, TCP: single reports, each device waits for every ack",
        transport="tcp",
        form="single",
        window_reports=1,
        portion=1,
    ),
    Part(
        name="c-events",
        title="as (c), with the relay, and a subscriber of everything",
        transport="tcp",
        form="single",
        window_reports=1,
        portion=1,
        beside="c",
    ),
    Part(
        name="c-unmetered",
        title="as (c), with nothing metered",
        transport="tcp",
        form="single",
        window_reports=1,
        portion=1,
        unmetered="c",
    ),
    Part(
        name="c-events-unmetered",
        title="as (c-events), with nothing metered",
        transport="tcp",
        form="single",
        window_reports=1,
        portion=1,
        beside="c-unmetered",
        unmetered="c-events",
    ),
    Part(
        name="d",
        title=f"gateway, TCP: backlogs of {BACKLOG_REPORTS} reports,"
        f" {BACKLOGS_UNDER_WAY} under way per device",
        transport="tcp",
        form="backlog",
        window_reports=BACKLOG_REPORTS * BACKLOGS_UNDER_WAY,
        portion=1,
    ),
    Part(
        name="d-events",
        title="as (d), with the relay, and a subscriber of everything",
        transport="tcp",
        form="backlog",
        window_reports=BACKLOG_REPORTS * BACKLOGS_UNDER_WAY,
        portion=1,
        beside="d",
    ),
    Part(
        name="d-unmetered",
        title="as (d), with nothing metered",
        transport="tcp",
        form="backlog",
        window_reports=BACKLOG_REPORTS * BACKLOGS_UNDER_WAY,
        portion=1,
        unmetered="d",
    ),
    Part(
        name="d-single",
        title=f"gateway, TCP: single reports, up to the window of {WINDOW_REPORTS:,} under way"
        " per device",
        transport="tcp",
        form="single",
        window_reports=WINDOW_REPORTS,
        portion=1,
    ),
    Part(
        name="emergency",
        title=f"as (d-single), with the relay, and emergencies one at a time from {CALLERS} more"
        " devices",
        transport="tcp",
        form="single",
        window_reports=WINDOW_REPORTS,
        portion=1,
        at_most=BACKLOG_TO_TAKE,
        callers=CALLERS,
    ),
    Part(
        name="emergency-backlog",
        title=f"as (d), with the relay, and emergencies one at a time from {CALLERS} more devices",
        transport="tcp",
        form="backlog",
        window_reports=BACKLOG_REPORTS * BACKLOGS_UNDER_WAY,
        portion=1,
        at_most=BACKLOG_TO_TAKE,
        callers=CALLERS,
    ),
    Part(
        name="b",
        title="script, MQTT: one INSERT ... ON CONFLICT and commit per message",
        transport="mqtt",
        form="json",
        window_reports=MQTT_UNDER_WAY,
        portion=25,
    ),
    Part(
        name="e",
        title=f"gateway, MQTT: single reports, {MQTT_UNDER_WAY} under way per device",
        transport="mqtt",
        form="single",
        window_reports=MQTT_UNDER_WAY,
        portion=5,
    ),
    Part(
        name="e-backlog",
        title=f"gateway, MQTT: backlogs of {BACKLOG_REPORTS} reports,"
        f" {BACKLOGS_UNDER_WAY} under way per device",
        transport="mqtt",
        form="backlog",
        window_reports=BACKLOG_REPORTS * BACKLOGS_UNDER_WAY,
        portion=1,
    ),
)
