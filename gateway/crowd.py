"""Members of many groups, of which none may crowd out the others.

Two questions are answered in constant time: whose turn is it (the groups take turns), and who goes
when there are too many: the longest there of the largest group. So whoever comes in thousands
displaces his own.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Group = TypeVar("Group", bound=Hashable)
Member = TypeVar("Member", bound=Hashable)


class Crowd(Generic[Group, Member]):
    """The members, in the order in which they came to their group. Each is in one group, once."""

    def __init__(self) -> None:
        self._groups: OrderedDict[Group, OrderedDict[Member, None]] = OrderedDict()
        """In the order of their turns."""
        self._by_size: dict[int, OrderedDict[Group, None]] = {}
        """Groups of each size, the one that has been of this size longest first."""
        self._largest_size = 0
        self._count = 0

    def __len__(self) -> int:
        """How many members there are, in all groups."""
        return self._count

    def add(self, group: Group, member: Member) -> None:
        """Add a member that is in no group yet."""
        members = self._groups.setdefault(group, OrderedDict())
        members[member] = None
        self._count += 1
        self._resized(group, len(members) - 1, len(members))

    def remove(self, group: Group, member: Member) -> None:
        """Take a member out. Raises `KeyError` when it is not there."""
        members = self._groups[group]
        del members[member]
        self._count -= 1
        if not members:
            del self._groups[group]
        self._resized(group, len(members) + 1, len(members))

    def take_next(self) -> Member:
        """Take out the longest there of the group whose turn it is; then it is the next one's.

        Raises `KeyError` when nobody is there.
        """
        if not self._groups:
            raise KeyError("nobody is there")
        group, members = next(iter(self._groups.items()))
        self._groups.move_to_end(group)
        member = next(iter(members))
        self.remove(group, member)
        return member

    def take_from_largest(self) -> Member:
        """Take out the longest there of the largest group; of several the one that has been of
        this size longest, which of groups of one is the longest there of all.

        Raises `KeyError` when nobody is there.
        """
        group = next(iter(self._by_size[self._largest_size]))
        member = next(iter(self._groups[group]))
        self.remove(group, member)
        return member

    def _resized(self, group: Group, before: int, after: int) -> None:
        """Sizes change by one, so the largest does too."""
        if before:
            same = self._by_size[before]
            del same[group]
            if not same:
                del self._by_size[before]
        if after:
            self._by_size.setdefault(after, OrderedDict())[group] = None
        if after > self._largest_size or self._largest_size not in self._by_size:
            self._largest_size = after
