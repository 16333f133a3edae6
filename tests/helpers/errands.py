"""What a centre asks for and reads, for tests of the simulator."""

import json
from datetime import UTC, datetime
from typing import Any

from device_sim.task_scenario import Errand, Kind, Request, Target
from tests.helpers.builders import NOW


def build_errand(
    request: str = "r1", kind: Kind = "verify", devices: tuple[int, ...] = (1,), at: float = NOW
) -> Errand:
    """A request for one device, or for all that are named."""
    to = Target(device=devices[0]) if len(devices) == 1 else Target(everybody=True)
    asked = Request(
        id=request,
        kind=kind,
        to=to,
        text="核实市民投诉",
        expires_at=datetime.fromtimestamp(NOW + 60, UTC),
    )
    return Errand(at, asked, devices)


def changed(
    state: str,
    request: str = "r1",
    device: int = 1,
    sequence: int = 1,
    *,
    late_answer: bool = False,
    event_id: str = "",
) -> bytes:
    """The event of a task that has reached a state."""
    data = {
        "task": 5,
        "request": request,
        "device": device,
        "kind": "verify",
        "state": state,
        "late_answer": late_answer,
        "case_number": "",
    }
    return _event("task.changed", sequence, event_id, data)


def decided(request: str = "r1", action: str = "request", reason: str | None = None) -> bytes:
    """The event of a request that was refused for a reason, or accepted without."""
    data = {
        "request": request,
        "action": action,
        "accepted": reason is None,
        "repeated": False,
        "tasks": 1,
        "reason": reason,
    }
    return _event("task-request.decided", 1, "", data)


def _event(kind: str, sequence: int, event_id: str, data: dict[str, Any]) -> bytes:
    event = {
        "specversion": "1.0",
        "id": event_id or f"{kind}-{sequence}",
        "source": "field-gateway",
        "type": f"field-gateway.{kind}.v1",
        "subject": str(data["request"]),
        "sequence": f"{sequence:019d}",
        "data": data,
    }
    return json.dumps(event).encode()
