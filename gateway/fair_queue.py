"""A queue in which those who wait have turns: one that put in a thousand holds up nobody.

Of each, the order is kept.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=int)
Item = TypeVar("Item")


class FairQueue(Generic[Owner, Item]):
    """Items by owner. It has no bound itself: ask `waiting` before adding."""

    def __init__(self) -> None:
        self._of: OrderedDict[Owner, deque[Item]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._of)

    def waiting(self, owner: Owner) -> int:
        """How much of one owner waits."""
        items = self._of.get(owner)
        return len(items) if items else 0

    def add(self, owner: Owner, item: Item) -> None:
        """Put in an item behind the others of its owner."""
        items = self._of.get(owner)
        if items is None:
            items = self._of[owner] = deque()
        items.append(item)

    def add_first(self, owner: Owner, items: Iterable[Item]) -> None:
        """Put in items, in their order, before the others of their owner, who is next."""
        before = list(items)
        if before:
            waiting = self._of.setdefault(owner, deque())
            waiting.extendleft(reversed(before))
            self._of.move_to_end(owner, last=False)

    def take(self) -> Item:
        """The first item of the owner who is next. Raises `KeyError` when nothing waits."""
        owner, items = self._of.popitem(last=False)
        item = items.popleft()
        if items:
            self._of[owner] = items
        return item

    def clear(self) -> None:
        """Forget all."""
        self._of.clear()
