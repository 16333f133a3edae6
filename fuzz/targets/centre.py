"""Events that the simulated centre reads from the broker."""

from datetime import UTC, datetime
from typing import Final

from device_sim.centre import Centre
from device_sim.task_scenario import Errand, Request, Target

_REQUEST: Final = Request(
    id="r1",
    kind="verify",
    to=Target(device=1),
    text="",
    expires_at=datetime(2008, 1, 3, tzinfo=UTC),
)
_ERRANDS: Final = (Errand(0.0, _REQUEST, (1, 2)),)


def check(data: bytes) -> None:
    """An event is read, or counted as unreadable; the centre knows no task but those it asked for,
    and keeps nothing of others.
    """
    centre = Centre(_ERRANDS)
    centre.receive(data)
    assert centre.events == 1
    assert centre.unreadable in {0, 1}
    assert set(centre.states) <= centre.expected
    assert set(centre.refusals) <= {_REQUEST.id}
    centre.complaints()
