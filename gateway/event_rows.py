"""Rows of the database as events: what each says, and on which topic. Pure.

A row is anything with its columns by name. The ids follow from the rows' keys, so the same row
always makes the same event.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway import events
from gateway.events import Event
from gateway.protocol import topics
from gateway.protocol.errors import RefusalCode
from gateway.reference import Reference

Row = Mapping[str, Any]

E5_DEGREES: Final = 1e5


class Published(msgspec.Struct, frozen=True, gc=False):
    """An event on its topic, ready for the broker."""

    topic: str
    body: bytes


class EventMaker:
    """Makes events of one database.

    Args:
        source: Names the database (CloudEvents' `source`).
        reference: For the names of classes and streets.
    """

    def __init__(self, source: str, reference: Reference) -> None:
        self._source = source
        self._streets = {
            street.code: events.Named(str(street.code), street.name) for street in reference.streets
        }
        digits = {number: e.class_digits for number, e in reference.tables.editions.items()}
        self._classes = {
            (c.edition, c.kind.name.lower(), c.code): events.ClassOfReport(
                str(c.code).zfill(digits[c.edition]), c.major, c.minor
            )
            for c in reference.classes
        }

    def report(self, row: Row, sequence: str) -> Published:
        """A stored report, on its topic by what it is."""
        data = self._stored_report(row)
        topic = topics.report_topic(row["street_code"], data.kind, data.class_.code, data.urgency)
        return Published(topic, self._report_body(data, sequence))

    def emergency(self, row: Row, sequence: str) -> Published:
        """The same event on the topic of emergencies."""
        data = self._stored_report(row)
        topic = topics.emergency_topic(row["street_code"], data.kind, data.class_.code)
        return Published(topic, self._report_body(data, sequence))

    def quarantined(self, row: Row, sequence: str) -> Published:
        """Something that was not accepted."""
        device, code = row["device_id"], row["code"]
        data = events.QuarantinedFrame(
            quarantine=row["id"],
            device=device,
            installation=row["installation"],
            sequence=row["sequence"],
            code=code,
            reason=_reason(code),
            detail=row["detail"],
            transport=row["transport"],
            received_at=row["received_at"],
        )
        return self._published(
            topics.quarantine_topic(device),
            events.REPORT_QUARANTINED,
            f"quarantine/{row['id']}",
            f"device/{device}",
            row["received_at"],
            sequence,
            data,
        )

    def device(self, row: Row, gateway: str, *, online: bool) -> Published:
        """A device came or went."""
        device, sequence = row["device_id"], events.sequence_of(row["sequence"])
        data = events.DevicePresence(
            device=device,
            online=online,
            transport=row["transport"],
            gateway=gateway,
            installation=row["installation"],
        )
        return self._published(
            topics.device_topic(device),
            events.DEVICE_PRESENCE,
            f"presence/{device}/{row['sequence']}",
            f"device/{device}",
            row["at"],
            sequence,
            data,
        )

    def task_change(self, row: Row, sequence: str) -> Published:
        """A task has reached a state."""
        data = events.TaskChange(
            **{name: row[name] for name in events.TaskChange.__struct_fields__}
        )
        return self._published(
            topics.task_topic(data.device, data.state),
            events.TASK_CHANGED,
            f"task/{data.task}/{row['id']}",
            f"device/{data.device}",
            data.at,
            sequence,
            data,
        )

    def task_verdict(self, row: Row, sequence: str) -> Published:
        """A request for tasks was decided."""
        data = events.TaskRequestVerdict(
            **{name: row[name] for name in events.TaskRequestVerdict.__struct_fields__}
        )
        return self._published(
            topics.task_request_topic("accepted" if data.accepted else "refused"),
            events.TASK_REQUEST_DECIDED,
            f"task-request/{row['id']}",
            f"request/{data.request}",
            row["at"],
            sequence,
            data,
        )

    def budget_warning(self, row: Row, sequence: str) -> Published:
        """A device, or all together, is on the way to exceed its budget."""
        device = row["device"]
        data = events.BudgetWarning(
            device=device,
            month=f"{row['month']:%Y-%m}",
            currency=row["currency"],
            budget=f"{row['budget']:.2f}",
            spent=f"{row['spent']:.2f}",
            projected=f"{row['projected']:.2f}",
            tariff=row["tariff"],
            noticed_at=row["noticed_at"],
        )
        return self._published(
            topics.budget_topic(device),
            events.BUDGET_WARNING,
            f"budget/{row['id']}",
            "all-devices" if device is None else f"device/{device}",
            row["noticed_at"],
            sequence,
            data,
        )

    def _stored_report(self, row: Row) -> events.StoredReport:
        edition, kind, code = row["edition"], row["kind"], row["class_code"]
        street, component = row["street_code"], row["component"]
        return events.StoredReport(
            device=row["device_id"],
            installation=row["installation"],
            sequence=row["sequence"],
            edition=edition,
            kind=kind,
            class_=self._classes.get((edition, kind, code))
            or events.ClassOfReport(f"{code:04d}", None, None),
            urgency=row["urgency"],
            simple=row["simple"],
            patrol=row["patrol"],
            street=self._streets.get(street) or events.Named(str(street), None),
            grid=str(row["grid"]),
            position=events.Position(
                row["lat_e5"] / E5_DEGREES, row["lon_e5"] / E5_DEGREES, row["accuracy_m"]
            ),
            observed_at=row["observed_at"],
            stored_at=row["stored_at"],
            description=row["description"],
            pictures=row["pictures"],
            component=None if component is None else str(component),
            transport=row["transport"],
        )

    def _report_body(self, data: events.StoredReport, sequence: str) -> bytes:
        event = events.envelope(
            events.REPORT_STORED,
            event_id=f"report/{data.device}/{data.installation}/{data.sequence}",
            source=self._source,
            subject=f"device/{data.device}",
            time=data.stored_at,
            sequence=sequence,
            data=data,
        )
        return events.encode(event)

    def _published(
        self,
        topic: str,
        event_type: str,
        event_id: str,
        subject: str,
        time: datetime,
        sequence: str,
        data: msgspec.Struct,
    ) -> Published:
        event: Event[Any] = events.envelope(
            event_type,
            event_id=event_id,
            source=self._source,
            subject=subject,
            time=time,
            sequence=sequence,
            data=data,
        )
        return Published(topic, events.encode(event))


def gateway_presence(name: str, *, online: bool, time: datetime) -> Published:
    """A gateway came or went. Made without the database, which may be away: the clock orders these
    events, in microseconds, and the name of the gateway stands for the source.
    """
    micros = int(time.timestamp() * 1_000_000)
    event: Event[Any] = events.envelope(
        events.GATEWAY_PRESENCE,
        event_id=f"gateway/{name}/{micros}",
        source=f"/field-gateway/{name}",
        subject=f"gateway/{name}",
        time=time,
        sequence=f"{micros:019d}",
        data=events.GatewayPresence(gateway=name, online=online),
    )
    return Published(topics.gateway_topic(name), events.encode(event))


def _reason(code: int) -> str:
    try:
        return RefusalCode(code).name.lower()
    except ValueError:
        return str(code)
