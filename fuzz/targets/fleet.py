"""The simulator's file of credentials: what `gateway devices import` takes, and the transport."""

import io
from pathlib import Path, PosixPath
from typing import Any, Final

from device_sim.credentials import FleetFileError, read_fleet
from gateway.protocol.limits import MAX_DEVICE_ID, MIN_SECRET_BYTES


class _File(PosixPath):
    """A file that lies in memory: a disk would take longer than the parser."""

    content = b""

    def open(self, *_mode: Any, encoding: str | None = None, newline: str | None = None) -> Any:
        """See `Path`."""
        return io.TextIOWrapper(io.BytesIO(self.content), encoding, newline=newline)


_FILE: Final = _File("fleet.csv")
_PATH: Final[Path] = _FILE


def check(data: bytes) -> None:
    """Credentials that are read can be used; what is wrong is named."""
    _FILE.content = data
    try:
        fleet = read_fleet(_PATH)
    except FleetFileError as error:
        assert str(error).startswith("fleet.csv")
        return
    for device, credential in fleet.items():
        assert 1 <= device <= MAX_DEVICE_ID
        assert len(credential.secret) >= MIN_SECRET_BYTES
        assert credential.transport in {None, "tcp", "mqtt"}
