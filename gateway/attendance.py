"""Who is here: the devices that this gateway holds a session of, over whichever transport.

Sessions are added when a device is welcome and taken out when its connection ends, or over MQTT
when it says goodbye. Who wants to know of it listens.
"""

from typing import Protocol

from gateway.parcel import Transport
from gateway.session import Session


class Listener(Protocol):
    """Wants to know who comes and goes. Called on the event loop; must not block."""

    def arrived(self, session: Session) -> None:
        """A device was welcomed; perhaps it was here before."""
        ...

    def left(self, session: Session) -> None:
        """A device that was here is not any more."""
        ...


class Attendance:
    """The newest session of each device, and those beside it: of another installation, or over the
    other transport.
    """

    def __init__(self) -> None:
        self._by_device: dict[int, Session] = {}
        self._sessions: dict[tuple[int, int, Transport], Session] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Tell it of all that come and go from now on."""
        self._listeners.append(listener)

    def arrived(self, session: Session) -> None:
        """A device was welcomed. Its older session, if any, is forgotten without a word."""
        self._sessions[_key(session)] = session
        self._by_device[session.device_id] = session
        for listener in self._listeners:
            listener.arrived(session)

    def left(self, session: Session) -> None:
        """A session is over. Nobody hears of it if the device has a newer one here."""
        if self._sessions.get(_key(session)) is session:
            del self._sessions[_key(session)]
        if self._by_device.get(session.device_id) is not session:
            return
        del self._by_device[session.device_id]
        for listener in self._listeners:
            listener.left(session)

    def session_of(self, device_id: int) -> Session | None:
        """The session of a device that is here."""
        return self._by_device.get(device_id)

    def sessions(self) -> list[Session]:
        """All that are open: of each device the newest of each installation and transport."""
        return list(self._sessions.values())

    def devices(self) -> list[int]:
        """The devices that are here."""
        return list(self._by_device)

    def __len__(self) -> int:
        """How many devices are here."""
        return len(self._by_device)


def _key(session: Session) -> tuple[int, int, Transport]:
    return session.device_id, session.installation, session.transport
