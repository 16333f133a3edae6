"""What the whole fleet counts while it runs."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from device_sim.faults import Fault
from device_sim.streams import Traffic
from device_sim.task_tally import TaskTally


@dataclass(slots=True)
class Tally:
    """Counts of one run of the program. One is shared by all handsets."""

    written: int = 0
    """Reports written in this run."""
    transmissions: int = 0
    """Reports sent, each time counted."""
    resends: int = 0
    """Of these such as were sent before."""
    frames: int = 0
    """Frames with reports."""
    backlogs: int = 0
    """Of these such as held several."""
    acked: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """Final refusals by code."""
    asked_later: int = 0
    """Refusals that asked to send again later."""
    connections: int = 0
    """Sessions that were welcomed."""
    lost_links: int = 0
    """Links that were lost without our doing."""
    unproven_welcomes: int = 0
    """Over MQTT: welcomes that do not fit the present greeting."""
    outages: int = 0
    wipes: int = 0
    conflicts: int = 0
    """New installations because a number was taken."""
    faults: Counter[Fault] = field(default_factory=Counter)
    traffic: Traffic = field(default_factory=Traffic)
    tasks: TaskTally = field(default_factory=TaskTally)
    ack_seconds: "array[float]" = field(default_factory=lambda: array("f"))
    """From sending to ack, one for each report acked on the link it was sent on."""
    failures: dict[int, str] = field(default_factory=dict)
    """Handsets that gave up, with the reason."""
    finished: int = 0
    """Handsets that have nothing left to do."""
