"""The file of devices that an operator imports."""

import io

from gateway.devices import DeviceFileError, NewDevice, read_device_file
from gateway.protocol.limits import MAX_DEVICE_ID, PROOF_BYTES
from gateway.protocol.text import unfit_character


def check(data: bytes) -> None:
    """Each device can be stored; a wrong line is named, and no secret with it."""
    try:
        devices = list(read_device_file(io.TextIOWrapper(io.BytesIO(data), "utf-8")))
    except DeviceFileError as error:
        assert str(error).startswith("line ")
    except UnicodeDecodeError:
        pass  # the command says that the file is not UTF-8
    else:
        _check_devices(devices)


def _check_devices(devices: list[NewDevice]) -> None:
    assert len({device.device_id for device in devices}) == len(devices)
    for device in devices:
        assert 1 <= device.device_id <= MAX_DEVICE_ID
        assert device.street_code is None or 0 <= device.street_code <= 999_999_999  # noqa: PLR2004 - nine digits
        assert len(device.keys.stored_key) == len(device.keys.gateway_key) == PROOF_BYTES
        assert not unfit_character(device.label)
