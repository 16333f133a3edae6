"""What the whole fleet counts of tasks while it runs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from device_sim.task_list import Arrival
from gateway.protocol.task_messages import Noted, Receipt


@dataclass(slots=True)
class TaskTally:
    """Counts of one run of the program."""

    arrivals: Counter[Arrival] = field(default_factory=Counter)
    """Tasks that came, each time counted."""
    unreadable: int = 0
    """Tasks with a text that does not decode."""
    withdrawals: int = 0
    """Withdrawals that came, each time counted."""
    notes: Counter[Noted] = field(default_factory=Counter)
    """Notes that were sent."""
    answered: int = 0
    """Answers that were given."""
    answers_sent: int = 0
    """Transmissions of answers."""
    receipts: Counter[int] = field(default_factory=Counter)

    @property
    def shown(self) -> int:
        """Tasks that appeared on a screen."""
        return self.arrivals[Arrival.NEW] - self.unreadable

    @property
    def is_empty(self) -> bool:
        """Whether no task and no withdrawal came."""
        return not self.arrivals and not self.withdrawals

    def figures(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "shown": self.shown,
            "came_again": self.arrivals[Arrival.AGAIN],
            "came_expired": self.arrivals[Arrival.EXPIRED],
            "unreadable": self.unreadable,
            "withdrawals": self.withdrawals,
            "notes_sent": sum(self.notes.values()),
            "answers_given": self.answered,
            "answers_sent": self.answers_sent,
            **{f"receipts_{kind.name.lower()}": self.receipts[kind] for kind in Receipt},
        }
