"""What a handler may look at beside the message: data and the time, both as arguments."""

from dataclasses import dataclass

from gateway.protocol.tables import Edition, Tables


@dataclass(frozen=True, slots=True)
class Context:
    """The gateway's knowledge at one moment."""

    tables: Tables
    now: int
    """The gateway's Unix time in seconds."""

    def edition(self, number: int) -> Edition | None:
        """The edition of the code tables with this number, if the gateway has it."""
        return self.tables.editions.get(number)
