"""A bounded memory of what was committed lately: a short cut for repetitions, never the judge."""

from typing import Final, TypeAlias

from gateway.protocol.report import Report, Track

Key: TypeAlias = tuple[int, int, int]
"""Device, installation, sequence: what a report is known by for ever."""

DEFAULT_REMEMBERED_REPORTS: Final = 32_768
"""Kept at most. A repetition mostly follows within a minute of a lost ack, so some seconds of full
load are enough; at about 400 bytes each they take 13 MB."""


class RecentlyCommitted:
    """Remembers content by key in two generations: the older is dropped whole when the younger
    has grown to half of the limit. Cheaper than moving an entry at each use.
    """

    __slots__ = ("_half", "_older", "_younger")

    def __init__(self, limit_items: int = DEFAULT_REMEMBERED_REPORTS) -> None:
        self._half = limit_items // 2
        self._younger: dict[Key, Report | Track] = {}
        self._older: dict[Key, Report | Track] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._younger) + len(self._older)

    def holds(self, key: Key, item: Report | Track) -> bool:
        """Whether exactly this content was committed under the key lately.

        False means only "not known": the key in the database decides.
        """
        known = self._younger.get(key)
        if known is None:
            known = self._older.get(key)
        return known == item

    def remember(self, items: dict[Key, Report | Track]) -> None:
        """Take in what one transaction has committed."""
        self._younger.update(items)
        if len(self._younger) >= self._half:
            self._older = self._younger if self._half else {}
            self._younger = {}
