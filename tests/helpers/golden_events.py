"""Events typed by hand, each with its topic: what a subscriber gets, byte for byte or nearly so."""

from typing import Final

GOLDEN: Final[dict[str, tuple[str, str]]] = {
    "ordinary report": (
        "fg/1/event/report/440307003/event/0203/ordinary",
        """{"specversion": "1.0", "id": "report/4403070001/1001/42", "source": "/longgang",
        "type": "field-gateway.report.stored.v1", "subject": "device/4403070001",
        "time": "2008-03-20T08:00:03.251904Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.report.stored.v1.schema.json",
        "sequence": "0000000000917000003",
        "data": {"device": 4403070001, "installation": 1001, "sequence": 42, "edition": 1,
        "kind": "event", "class": {"code": "0203", "major": "宣传广告", "minor": "占道广告牌"},
        "urgency": "ordinary", "simple": true, "patrol": "routine",
        "street": {"code": "440307003", "name": "平湖街道"}, "grid": "44030700300112",
        "position": {"lat": 22.66231, "lon": 114.14872, "accuracy_m": 8},
        "observed_at": "2008-03-20T07:59:58Z", "stored_at": "2008-03-20T08:00:03.251904Z",
        "description": "新木路12号门前占道摆放广告牌。", "pictures": 1, "component": null,
        "transport": "tcp"}}"""
        % _SCHEMAS,
    ),
    "emergency on its report topic, without names, fix or words": (
        "fg/1/event/report/440307999/component/01001/emergency",
        """{"specversion": "1.0", "id": "report/1/0/1", "source": "/longgang",
        "type": "field-gateway.report.stored.v1", "subject": "device/1",
        "time": "2026-03-20T08:00:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.report.stored.v1.schema.json",
        "sequence": "0000000000918000000",
        "data": {"device": 1, "installation": 0, "sequence": 1, "edition": 2,
        "kind": "component", "class": {"code": "01001", "major": null, "minor": null},
        "urgency": "emergency", "simple": false, "patrol": "hotline",
        "street": {"code": "440307999", "name": null}, "grid": "440307999001120",
        "position": {"lat": -90, "lon": 180, "accuracy_m": 65535},
        "observed_at": "2026-03-20T16:00:00+08:00", "stored_at": "2026-03-20T08:00:00Z",
        "description": "", "pictures": 0, "component": "44030701001000001",
        "transport": "mqtt"}}"""
        % _SCHEMAS,
    ),
    "frame in quarantine": (
        "fg/1/event/quarantine/4403070001",
        """{"specversion": "1.0", "id": "quarantine/17", "source": "/longgang",
        "type": "field-gateway.report.quarantined.v1", "subject": "device/4403070001",
        "time": "2008-03-20T08:00:04.5Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.report.quarantined.v1.schema.json",
        "sequence": "0000000000919000000",
        "data": {"quarantine": 17, "device": 4403070001, "installation": 1001, "sequence": 43,
        "code": 41, "reason": "unknown class", "detail": "class 9999 is not in edition 1",
        "transport": "tcp", "received_at": "2008-03-20T08:00:04.5Z"}}"""
        % _SCHEMAS,
    ),
    "unreadable frame in quarantine": (
        "fg/1/event/quarantine/4403070001",
        """{"specversion": "1.0", "id": "quarantine/18", "source": "/longgang",
        "type": "field-gateway.report.quarantined.v1", "subject": "device/4403070001",
        "time": "2008-03-20T08:00:05Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.report.quarantined.v1.schema.json",
        "sequence": "0000000000919000001",
        "data": {"quarantine": 18, "device": 4403070001, "installation": 1001, "sequence": null,
        "code": 22, "reason": "malformed", "detail": "not an array", "transport": "mqtt",
        "received_at": "2008-03-20T08:00:05Z"}}"""
        % _SCHEMAS,
    ),
    "device online": (
        "fg/1/event/device/4403070001",
        """{"specversion": "1.0", "id": "presence/4403070001/5012", "source": "/longgang",
        "type": "field-gateway.device.presence.v1", "subject": "device/4403070001",
        "time": "2008-03-20T07:58:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.device.presence.v1.schema.json",
        "sequence": "0000000005012000000",
        "data": {"device": 4403070001, "online": true, "transport": "tcp", "gateway": "gw/1",
        "installation": 1001}}"""
        % _SCHEMAS,
    ),
    "gateway killed: its last will": (
        "fg/1/event/gateway/gw_1",
        """{"specversion": "1.0", "id": "gateway/gw/1/88/offline", "source": "/longgang",
        "type": "field-gateway.gateway.presence.v1", "subject": "gateway/gw/1",
        "time": "2008-03-20T07:50:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.gateway.presence.v1.schema.json",
        "sequence": "0000000000088000001",
        "data": {"gateway": "gw/1", "online": false}}"""
        % _SCHEMAS,
    ),
    "new task": (
        "fg/1/event/task/4403070001/queued",
        """{"specversion": "1.0", "id": "task/7/1", "source": "/longgang",
        "type": "field-gateway.task.changed.v1", "subject": "device/4403070001",
        "time": "2008-03-20T09:00:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.task.changed.v1.schema.json",
        "sequence": "0000000000920000000",
        "data": {"task": 7, "request": "wf-2008-0311", "device": 4403070001, "kind": "verify",
        "state": "queued", "previous": null, "late_answer": false, "at": "2008-03-20T09:00:00Z",
        "case_number": "", "answer": null, "answer_text": null, "answered_at": null,
        "superseded_by": null}}"""
        % _SCHEMAS,
    ),
    "late answer to an expired task": (
        "fg/1/event/task/4403070001/expired",
        """{"specversion": "1.0", "id": "task/7/5", "source": "/longgang",
        "type": "field-gateway.task.changed.v1", "subject": "device/4403070001",
        "time": "2008-03-20T12:00:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.task.changed.v1.schema.json",
        "sequence": "0000000000988000000",
        "data": {"task": 7, "request": "wf-2008-0311", "device": 4403070001, "kind": "verify",
        "state": "expired", "previous": "expired", "late_answer": true,
        "at": "2008-03-20T12:00:00Z", "case_number": "", "answer": "absent",
        "answer_text": "已清理", "answered_at": "2008-03-20T10:30:00Z",
        "superseded_by": null}}"""
        % _SCHEMAS,
    ),
    "accepted request": (
        "fg/1/event/task-request/accepted",
        """{"specversion": "1.0", "id": "task-request/31", "source": "/longgang",
        "type": "field-gateway.task-request.decided.v1", "subject": "request/wf-2008-0311",
        "time": "2008-03-20T09:00:00Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.task-request.decided.v1.schema.json",
        "sequence": "0000000000920000001",
        "data": {"request": "wf-2008-0311", "action": "request", "accepted": true,
        "repeated": false, "tasks": 1, "reason": null}}"""
        % _SCHEMAS,
    ),
    "refused cancellation": (
        "fg/1/event/task-request/refused",
        """{"specversion": "1.0", "id": "task-request/32", "source": "/longgang",
        "type": "field-gateway.task-request.decided.v1", "subject": "request/",
        "time": "2008-03-20T09:00:01Z", "datacontenttype": "application/json",
        "dataschema": "https://field-gateway.example/events/field-gateway.task-request.decided.v1.schema.json",
        "sequence": "0000000000921000000",
        "data": {"request": "", "action": "cancel", "accepted": false, "repeated": false,
        "tasks": 0, "reason": "not JSON"}}"""
        % _SCHEMAS,
    ),
}
"""Topic and event, by what it is."""

EMERGENCY: Final = GOLDEN["emergency on its report topic, without names, fix or words"][1]

EMERGENCY_TOPIC: Final = "fg/1/event/emergency/440307999/component/01001"
"""Where the emergency among them stands first."""
