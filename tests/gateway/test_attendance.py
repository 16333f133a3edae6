"""Who is here, and who hears of it."""

from gateway.attendance import Attendance
from gateway.parcel import Transport
from gateway.session import Session, Station
from tests.helpers.builders import NOW, TABLES


def session_of(device: int, installation: int = 1, transport: Transport = Transport.TCP) -> Session:
    """A session of a device."""
    station = Station(
        tables=TABLES,
        offer=lambda _parcel: None,
        refused=lambda _transport, _items: None,
        unix_time=lambda: float(NOW),
        monotonic=lambda: 0.0,
        call_soon=lambda _callback: None,
    )
    return Session(
        station, device, installation, transport, settled_through=0, send=lambda _messages: None
    )


class Ear:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Session]] = []

    def arrived(self, session: Session) -> None:
        """See `Listener`."""
        self.heard.append(("arrived", session))

    def left(self, session: Session) -> None:
        """See `Listener`."""
        self.heard.append(("left", session))


def test_a_device_comes_and_goes() -> None:
    """It is found while it is here, and whoever listens hears of both."""
    attendance, ears, session = Attendance(), [Ear(), Ear()], session_of(7)
    for ear in ears:
        attendance.listen(ear)
    attendance.arrived(session)
    assert attendance.session_of(7) is session
    assert (attendance.devices(), len(attendance)) == ([7], 1)
    attendance.left(session)
    assert (attendance.session_of(7), len(attendance)) == (None, 0)
    for ear in ears:
        assert ear.heard == [("arrived", session), ("left", session)]


def test_the_end_of_an_older_session_means_nothing() -> None:
    """The newest counts; that it ended is told once."""
    attendance, ear, older, newer = Attendance(), Ear(), session_of(7), session_of(7)
    attendance.listen(ear)
    attendance.arrived(older)
    attendance.arrived(newer)
    attendance.left(older)
    assert attendance.session_of(7) is newer
    attendance.left(newer)
    attendance.left(newer)
    assert [what for what, _ in ear.heard] == ["arrived", "arrived", "left"]


def test_all_sessions_of_a_device() -> None:
    """Those of other installations and over the other transport stand beside the newest; one that
    is replaced does not, and its end takes out no other.
    """
    attendance = Attendance()
    first, again = session_of(7), session_of(7)
    others = [session_of(7, 2), session_of(7, 1, Transport.MQTT), session_of(8)]
    for session in (first, *others, again):
        attendance.arrived(session)
    attendance.left(first)
    assert attendance.sessions() == [again, *others]
    for session in (again, *others):
        attendance.left(session)
    assert (attendance.sessions(), len(attendance)) == ([], 0)
