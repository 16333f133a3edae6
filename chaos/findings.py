"""What a check of a fault run came to."""

from dataclasses import dataclass, field
from typing import Final

EXAMPLES: Final = 8
"""How many findings of one sort are told in full; all are counted."""


@dataclass(slots=True)
class Checked:
    """One check: what it looked at, and what must not be."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    """How much of what it saw. A check that saw nothing proves nothing."""
    sorts: dict[str, int] = field(default_factory=dict)
    """How often each sort of finding."""
    examples: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        """In words, with keys; empty if all is well."""
        more = {sort: number - EXAMPLES for sort, number in self.sorts.items()}
        rest = [f"{sort}: {number} more" for sort, number in more.items() if number > 0]
        return [*self.examples, *rest]

    def saw(self, what: str, number: int = 1) -> None:
        """Count something that was looked at."""
        self.counts[what] = self.counts.get(what, 0) + number

    def found(self, sort: str, where: object) -> None:
        """Note something that must not be."""
        self.sorts[sort] = self.sorts.get(sort, 0) + 1
        if self.sorts[sort] <= EXAMPLES:
            self.examples.append(f"{sort}: {where}")
