"""What each card used in each calendar month: that is what operators bill."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from gateway.cost.usage import OldMessages, Traffic, Usage

ALL_MONTHS: Final = 0

_NO_TRAFFIC: Final = Traffic()
_NO_MESSAGES: Final = OldMessages()


class CardMonth:
    """The card of one device in one calendar month, or in all months together: then `month` is
    `ALL_MONTHS`.
    """

    __slots__ = (
        "bytes",
        "device",
        "kib",
        "month",
        "night_bytes",
        "night_kib",
        "segments_down",
        "segments_up",
        "usages",
    )

    def __init__(self, device: int, month: int, usages: Sequence[Usage]) -> None:
        self.device = device
        self.month = month
        self.usages = usages
        traffics = [usage.traffic for usage in usages]
        self.bytes = sum(traffic.bytes_up + traffic.bytes_down for traffic in traffics)
        self.night_bytes = sum(traffic.night_bytes for traffic in traffics)
        self.kib = sum(traffic.kib for traffic in traffics)
        self.night_kib = sum(traffic.night_kib for traffic in traffics)
        self.segments_up = sum(segments_up(usage) for usage in usages)
        self.segments_down = sum(segments_down(usage) for usage in usages)

    def days(self) -> Iterator[tuple[int, int]]:
        """The bytes of each day, and how many of these fell into the night."""
        days: dict[date, tuple[int, int]] = {}
        for usage in self.usages:
            traffic = usage.traffic
            whole, night = days.get(usage.day, (0, 0))
            days[usage.day] = (
                whole + traffic.bytes_up + traffic.bytes_down,
                night + traffic.night_bytes,
            )
        yield from days.values()


def used(usages: Iterable[Usage]) -> list[Usage]:
    """Those with anything in them: a row of zeros is no use of a card."""
    return [usage for usage in usages if usage.traffic != _NO_TRAFFIC or usage.sms != _NO_MESSAGES]


def card_months(usages: Iterable[Usage]) -> list[CardMonth]:
    """The cards that were used, by month."""
    months: dict[date, int] = {}
    cards: dict[tuple[int, int], list[Usage]] = {}
    for usage in usages:
        day = usage.day
        month = months.get(day)
        if month is None:
            month = months[day] = day.year * 12 + day.month
        cards.setdefault((usage.device, month), []).append(usage)
    return [CardMonth(device, month, own) for (device, month), own in cards.items()]


def whole_period(usages: Iterable[Usage]) -> list[CardMonth]:
    """The cards that were used, in all months together."""
    cards: dict[int, list[Usage]] = {}
    for usage in usages:
        cards.setdefault(usage.device, []).append(usage)
    return [CardMonth(device, ALL_MONTHS, own) for device, own in cards.items()]


def segments_up(usage: Usage) -> int:
    """Short messages from the device."""
    return usage.sms.report_segments + usage.sms.answer_segments


def segments_down(usage: Usage) -> int:
    """Short messages to the device."""
    return usage.sms.confirmation_segments + usage.sms.task_segments
