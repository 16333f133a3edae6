"""Every setting, by section, with its default, unit, range and reason.

Each default is chosen for one district on a small server. `settings_loader` reads them.
"""

import socket
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.cost import templates
from gateway.cost.old_texts import Templates
from gateway.cost.period import Period, parse_period
from gateway.protocol import limits

MAX_SECONDS: Final = 31_536_000
"""A year: longer is a slip or means "never", which nothing here should."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section knows its settings: a misspelt name is an error, not a silent default."""


class DatabaseSettings(_Section, frozen=True, kw_only=True):
    """PostgreSQL."""

    dsn: str = "postgresql:///field_gateway"
    max_connections: Annotated[int, Meta(ge=4)] = 10
    """All are made at the start and kept. Two for the batch writers and two for what may not wait,
    the rest for greetings and everything else."""
    command_timeout_seconds: PositiveSeconds = 30.0
    """A statement that takes longer is taken for a dead link, and its batch is tried again."""


class TcpSettings(_Section, frozen=True, kw_only=True):
    """The TCP listener for handsets."""

    enabled: bool = True
    host: str = "0.0.0.0"  # noqa: S104 - handsets come from outside
    port: Port = 7440
    """0 picks a free one."""
    certificate: str = ""
    """PEM file with the certificate for TLS and its chain. Without it nothing listens, unless
    `plaintext` says that this is meant."""
    private_key: str = ""
    """PEM file with its key, without a password."""
    plaintext: bool = False
    """No TLS: for a network in which nobody can listen, or behind what speaks TLS."""
    tls_handshake_timeout_seconds: PositiveSeconds = limits.TLS_HANDSHAKE_TIMEOUT_SECONDS
    """From the accept until the connection is secure; the greeting has its own time after it."""
    max_sessions: Count = 10_000
    """Sessions of admitted devices. More are told to come back later; a district has under a
    thousand handsets."""
    max_strangers: Count = 2_000
    """Connections that are not admitted yet, beside those: all handsets of a district that greet at
    once after a restart, and as many strangers again. For one more, another is cut. Some 12 MB."""
    listen_backlog: Count = 1_024
    """Connections that the kernel holds while a storm of reconnects is admitted in turn."""
    window_reports: Annotated[int, Meta(ge=1, le=65_535)] = limits.WINDOW_REPORTS
    """Unacked reports of one session before the gateway stops reading from it."""
    greeting_timeout_seconds: PositiveSeconds = limits.GREETING_TIMEOUT_SECONDS
    idle_timeout_seconds: PositiveSeconds = limits.IDLE_TIMEOUT_SECONDS
    heartbeat_seconds: Annotated[int, Meta(ge=1, le=65_535)] = limits.HEARTBEAT_SECONDS

    def greeted_within_seconds(self) -> float:
        """From the accept until the greeting must be over, a handshake before it included."""
        handshake = self.tls_handshake_timeout_seconds if self.certificate else 0.0
        return handshake + self.greeting_timeout_seconds


class MqttSettings(_Section, frozen=True, kw_only=True):
    """The broker that handsets may use instead of TCP."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    username: str | None = None
    password: str | None = None
    version: Literal["auto", "3.1.1", "5"] = "auto"
    """`auto` tries 5 first and falls back when the broker refuses it."""
    client_id: str = ""
    """Empty: made from the gateway's name. The broker keeps the session under it."""
    shared_group: str = "auto"
    """With MQTT 5: gateways of one group divide the messages. `auto`: a name that only they know,
    made of the password. Empty: each takes all."""
    keepalive_seconds: Annotated[int, Meta(ge=5, le=65_535)] = 60
    session_expiry_seconds: Annotated[int, Meta(ge=60, le=2**32 - 1)] = 7 * 86_400
    """With MQTT 5: how long the broker keeps what arrives while no gateway is there."""
    max_pending_messages: Count = 5_000
    """Messages taken from the broker and not yet settled. A broker that sends more is disconnected
    and delivers them again later: that bounds memory with brokers that ignore Receive Maximum."""
    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 4_096
    """With MQTT 5: messages that the broker may have under way to us."""
    recheck_device_seconds: PositiveSeconds = 60.0
    """How long a device that publishes is trusted before its registration is read again."""


class BatchSettings(_Section, frozen=True, kw_only=True):
    """How reports are gathered into transactions."""

    max_items: Count = 4_000
    """Most in one transaction: beyond this a larger COPY gains nothing that was measured."""
    max_pending_items: Count = 16_000
    """Most that wait or are being written; then the gateway stops reading: two batches for each
    writer, one under way and one next. More gains no rate that was measured and costs time: what
    is read waits behind it. What may not wait may take up one batch on top. Some 15 MB."""
    linger_seconds: Annotated[float, Meta(ge=0)] = 0.005
    """How long an idle writer waits for company before it writes a small batch. Under load batches
    grow by themselves, while the writers are busy."""
    writers: Count = 2
    """Transactions of ordinary reports under way at once: one is encoded while the other commits.
    Each has its own devices."""


class LimitSettings(_Section, frozen=True, kw_only=True):
    """What one device may do, over all its sessions with one gateway process. More is refused, with
    the time after which to send it again: nothing is lost, and the neighbours do not wait.
    """

    reports_per_second: Annotated[float, Meta(ge=0.01, le=100_000)] = 10.0
    """Reports and tracks for as long as it likes: a hundred times what an inspector can write."""
    burst_reports: Annotated[int, Meta(ge=limits.MAX_BACKLOG_REPORTS, le=10_000_000)] = 10_000
    """The same at once: three quarters of a year of a diligent inspector. A handset that was
    offline for days, or sends everything again, does not meet it."""
    emergencies_per_minute: Annotated[float, Meta(ge=0.01, le=6_000_000)] = 6.0
    """Emergencies that overtake everything. More of one device's are stored like other reports."""
    burst_emergencies: Annotated[int, Meta(ge=1, le=10_000_000)] = 60
    """The same at once: a shift's, were each report one."""
    quarantined_per_minute: Annotated[float, Meta(ge=0.01, le=6_000_000)] = 6.0
    """What is kept in quarantine for good: a faulty handset that sends bad reports without end
    takes 9,000 rows a day and some 12 MB with their frames."""
    burst_quarantined: Annotated[int, Meta(ge=512, le=10_000_000)] = 1_000
    """The same at once: items, and kilobytes of their frames. More than one frame can need."""


class RelaySettings(_Section, frozen=True, kw_only=True):
    """Events for subscribers, published over the broker of `[mqtt]`."""

    enabled: bool = True
    """False: nothing is noted for publishing, and what was stored meanwhile never is published.
    Without `mqtt.enabled` it is noted, and another gateway, or this one later, publishes it."""
    poll_seconds: Annotated[float, Meta(ge=0.01, le=60)] = 0.25
    """How often the leading relay looks for what was committed. Emergencies do not wait for it."""
    busy_events_per_second: Annotated[int, Meta(ge=1)] = 300
    """Most events published while reports are being written: some 3 % of a processor, so that a
    storm of reports is stored at nearly its full rate. What waits is published when it is over.
    Emergencies that are sent by themselves do not wait."""
    keep_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    """How long notes of what was delivered are kept: so far back it can be published again."""


class TaskSettings(_Section, frozen=True, kw_only=True):
    """Tasks for handsets."""

    retry_seconds: PositiveSeconds = limits.TASK_RETRY_SECONDS
    """When a task that was sent and not noted is sent again."""
    poll_seconds: PositiveSeconds = 2.0
    """How often to look for what is due, beside being woken by the database."""


class MeterSettings(_Section, frozen=True, kw_only=True):
    """Counts what devices' traffic costs, and what SMS would have cost."""

    enabled: bool = True
    flush_seconds: Annotated[float, Meta(ge=0.1, le=3_600)] = 5.0
    """How often the counts go into the database: a crash loses at most so much counting, and
    never a report."""
    busy_reports_per_second: Annotated[int, Meta(ge=1)] = 500
    """Most reports counted after the commit while others are being written: some 1 % of a
    processor. What waits is counted when the storm is over."""
    mqtt_keepalive_seconds: Annotated[int, Meta(ge=1, le=65_535)] = limits.HEARTBEAT_SECONDS
    """Keep-alive of handsets over MQTT, whose pings the gateway does not see."""
    sms_report: str = templates.REPORT
    """What the old system would have sent for a report: an assumption, fair to SMS."""
    sms_confirmation: str = templates.CONFIRMATION
    """What it would have answered."""
    sms_task: str = templates.TASK
    """What it would have sent for a task."""
    sms_answer: str = templates.ANSWER
    """What an inspector would have answered."""

    def templates(self) -> Templates:
        """What the old system would have sent, all together."""
        return Templates(
            report=self.sms_report,
            confirmation=self.sms_confirmation,
            task=self.sms_task,
            answer=self.sms_answer,
        )


class CostSettings(_Section, frozen=True, kw_only=True):
    """Prices and budgets."""

    tariff: str = "gprs-2006-plan-20"
    """The data tariff that budgets are calculated with."""
    tariffs: str = ""
    """A folder with tariffs of your own, beside those that are shipped."""
    device_budget: Decimal | None = None
    """What one device may cost in a calendar month, in the tariff's currency."""
    total_budget: Decimal | None = None
    """The same of all devices together."""
    played_as: Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d)?$")] = ""
    """For a simulation that plays months in minutes: the first and last day that it stands for, as
    2008-01-01/2008-03-31. The page's bill is spread over them."""

    def played_period(self) -> Period | None:
        """The same as days; None where nothing is played. Raises `ValueError` before the settings
        are checked.
        """
        return parse_period(self.played_as) if self.played_as else None


class ArchiveSettings(_Section, frozen=True, kw_only=True):
    """When `gateway archive` takes rows out of the tables that gateways write to."""

    reports_after_days: Annotated[int, Meta(ge=1, le=36_500)] = 400
    """A year and a month: until then a report is where the queries of people look."""
    tracks_after_days: Annotated[int, Meta(ge=1, le=36_500)] = 90
    """Tracks are large and seldom asked for."""
    drop_reports_after_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """A month goes when its last day is so old. 0: kept for ever."""
    drop_tracks_after_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """The same of tracks."""


class HttpSettings(_Section, frozen=True, kw_only=True):
    """Metrics, health and the page for ops."""

    host: str = "127.0.0.1"
    port: Port = 9440
    """0 picks a free one."""
    page: bool = True
    """Serve the page and its figures, read-only. Like the metrics they have no password."""


class LogSettings(_Section, frozen=True, kw_only=True):
    """Logs go to stderr."""

    format: Literal["auto", "json", "text"] = "auto"
    """`auto`: text on a terminal, else JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Section, frozen=True, kw_only=True):
    """All settings."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = msgspec.field(
        default_factory=socket.gethostname
    )
    """Names this gateway in the ledger and at the broker: each running process needs its own."""
    drain_timeout_seconds: PositiveSeconds = 20.0
    """After SIGTERM: how long to go on trying to commit what was received. Under the 30 s that
    systemd and Kubernetes wait before they kill."""
    database: DatabaseSettings = DatabaseSettings()
    tcp: TcpSettings = TcpSettings()
    mqtt: MqttSettings = MqttSettings()
    batch: BatchSettings = BatchSettings()
    limits: LimitSettings = LimitSettings()
    relay: RelaySettings = RelaySettings()
    tasks: TaskSettings = TaskSettings()
    meter: MeterSettings = MeterSettings()
    cost: CostSettings = CostSettings()
    archive: ArchiveSettings = ArchiveSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
