"""What was metered of a device on one day."""

from datetime import date
from typing import Final

import msgspec

KIB: Final = 1024
"""The unit of the 2006 price list, and the only one whose parts of a connection are metered."""


class Traffic(msgspec.Struct, frozen=True, gc=False):
    """What a device's link carried, all headers of TCP and IP included."""

    bytes_up: int = 0
    """From the device."""
    bytes_down: int = 0
    """To the device."""
    night_bytes: int = 0
    """Of both directions together what fell between 23:00 and 07:00 China time."""
    kib: int = 0
    """Both directions together, in KiB begun by each connection: what an operator counts that
    rounds each session up."""
    night_kib: int = 0
    """Of these what was begun at night."""
    connections: int = 0


class OldMessages(msgspec.Struct, frozen=True, gc=False):
    """The short messages that the old system would have needed for the same work."""

    reports: int = 0
    """Reports stored as new rows: each counts once, however often it came."""
    report_segments: int = 0
    """From the device."""
    confirmation_segments: int = 0
    """To the device: one message for each report."""
    tasks: int = 0
    """Tasks sent for the first time."""
    task_segments: int = 0
    """To the device."""
    answers: int = 0
    """Answers of inspectors to tasks."""
    answer_segments: int = 0
    """From the device."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """One device on one day, China time, over one transport."""

    day: date
    device: int
    transport: str | None
    """`tcp` or `mqtt`; None for tasks, of which nobody notes how they went."""
    street: int | None
    """The street that the device is registered for."""
    traffic: Traffic = Traffic()
    sms: OldMessages = OldMessages()
    idle_bytes: int = 0
    """Of its traffic what was calculated and not metered; 0 but for a simulation's: see
    `played`."""
