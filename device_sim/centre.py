"""What the centre knows of the tasks that it asked for, from the events that it reads. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from device_sim.task_scenario import Errand

TASK_CHANGED: Final = "field-gateway.task.changed.v1"
TASK_REQUEST_DECIDED: Final = "field-gateway.task-request.decided.v1"

FINAL_STATES: Final = ("answered", "expired", "cancelled", "superseded")
"""In which a task is over."""

FINAL_STATES_OF_NOTICE: Final = ("received", *FINAL_STATES[1:])
"""A notice is over when it is received: there is nothing to answer."""

COMPLAINTS_OF_A_KIND: Final = 5

TaskKey = tuple[str, int]
"""Request and device."""


class _Event(msgspec.Struct):
    """What we need of a CloudEvent."""

    id: str
    type: str
    sequence: str
    data: msgspec.Raw


class _Change(msgspec.Struct):
    request: str
    device: int
    state: str
    late_answer: bool


class _Verdict(msgspec.Struct):
    request: str
    action: str
    accepted: bool
    reason: str | None


class Centre:
    """Follows the tasks of the requests that it made.

    Args:
        errands: the requests, and whose tasks they make.
    """

    def __init__(self, errands: Sequence[Errand]) -> None:
        self.errands = errands
        self.refusals: dict[str, str] = {}
        """Reasons of what was refused, by request."""
        self.cancelled_too_late = 0
        """Cancellations that were refused because all tasks of the request were over."""
        self.events = 0
        """How many were read, repeats and those of other askers included."""
        self.unreadable = 0
        self.sessions = 0
        """At the broker; more than one means that it forgot the first, with events for us."""
        self.failure: str | None = None
        """Why the broker does not serve it."""
        self._kinds = {errand.request.id: errand.request.kind for errand in errands}
        self._states: dict[TaskKey, tuple[str, str]] = {}
        """The event's sequence and the state."""
        self._late: set[str] = set()
        self.devices = {device for errand in errands for device in errand.devices}
        self.expected = {
            (errand.request.id, device) for errand in errands for device in errand.devices
        }
        """Every task that was asked for."""
        self._open = set(self.expected)

    def receive(self, payload: bytes) -> None:
        """Take an event; the newest of a task counts, whatever the order of their coming."""
        self.events += 1
        try:
            event = msgspec.json.decode(payload, type=_Event)
            if event.type == TASK_CHANGED:
                self._changed(event, msgspec.json.decode(event.data, type=_Change))
            elif event.type == TASK_REQUEST_DECIDED:
                self._decided(msgspec.json.decode(event.data, type=_Verdict))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1

    def _changed(self, event: _Event, change: _Change) -> None:
        key = (change.request, change.device)
        if key not in self.expected:
            return
        if change.late_answer:
            self._late.add(event.id)
        if event.sequence < self._states.get(key, ("", ""))[0]:
            return
        self._states[key] = (event.sequence, change.state)
        if change.state in final_states(self._kinds[change.request]):
            self._open.discard(key)

    def _decided(self, verdict: _Verdict) -> None:
        if verdict.accepted or verdict.request not in self._kinds:
            return
        still_open = {key for key in self._open if key[0] == verdict.request}
        if verdict.action == "cancel" and not still_open:
            # What ended the tasks was committed, and so told, before the refusal.
            self.cancelled_too_late += 1
            return
        self.refusals[verdict.request] = f"{verdict.action}: {verdict.reason}"
        if verdict.action == "request":
            self._open -= still_open

    @property
    def states(self) -> dict[TaskKey, str]:
        """The last state that was told of each task."""
        return {key: state for key, (_, state) in self._states.items()}

    @property
    def open_tasks(self) -> int:
        """Tasks that were asked for and have no final state, as far as is known."""
        return len(self._open)

    @property
    def is_done(self) -> bool:
        """Whether everything that was asked for is over or was refused."""
        return not self._open

    def complaints(self) -> list[str]:
        """What went wrong, in words for people."""
        found = [] if self.failure is None else [f"the centre gave up: {self.failure}"]
        refused = list(self.refusals.items())[:COMPLAINTS_OF_A_KIND]
        found += [f"request {request} was refused: {reason}" for request, reason in refused]
        if self._open and self.sessions > 1:
            found.append("the broker has forgotten the centre's session: events may be lost")
        if self._open and not self.events and self.failure is None:
            found.append(
                "no event of any task came: does a gateway with its relay use this broker,"
                " and may --centre-user read its events?"
            )
        for request, device in sorted(self._open)[:COMPLAINTS_OF_A_KIND]:
            state = self.states.get((request, device), "never heard of")
            found.append(f"request {request} device {device}: {state}, not over")
        return found

    def figures(self) -> dict[str, Any]:
        """For the summary."""
        last = Counter(self.states.values())
        return {
            "requests": len(self.errands),
            "requests_refused": len(self.refusals),
            "cancelled_too_late": self.cancelled_too_late,
            "tasks": len(self.expected),
            "tasks_not_over": len(self._open),
            **{state: last[state] for state in ("received", *FINAL_STATES)},
            "late_answers": len(self._late),
            "events": self.events,
        }


def final_states(kind: str) -> tuple[str, ...]:
    """In which a task of this kind is over."""
    return FINAL_STATES_OF_NOTICE if kind == "notice" else FINAL_STATES
