"""What a TCP session asks of the server that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from gateway.admission import Admission
from gateway.batcher import Batcher
from gateway.failed_proofs import FailedProofs
from gateway.session import Station
from gateway.settings import TcpSettings
from gateway.traffic_meter import TrafficMeter
from gateway.turns import Turns

if TYPE_CHECKING:
    from gateway.tcp_session import TcpSession


class TcpHost(Protocol):
    """The server, as its sessions see it."""

    settings: TcpSettings
    station: Station
    admission: Admission
    failed_proofs: FailedProofs
    batcher: Batcher
    turns: Turns
    traffic: TrafficMeter | None
    read_buffer: memoryview

    def opened(self, session: "TcpSession") -> bool:
        """Count a connection, a stranger's; whether there will be time to hear it."""
        ...

    def has_place(self, device_id: int) -> bool:
        """Whether a session of this device fits."""
        ...

    def refusing(self, session: "TcpSession") -> None:
        """The refusal of this stranger is held back: it goes before all others."""
        ...

    def admitted(self, session: "TcpSession", device_id: int) -> None:
        """Register a session for its device; an older one of the same device ends."""
        ...

    def closed(self, session: "TcpSession", device_id: int | None) -> None:
        """Forget a connection."""
        ...
