"""How much of the gateway is one device's: buckets that fill with time, which is an argument.

All sessions of a device in one process share its allowance, whatever their transport. What is over
it is refused and stays on the handset, which is told when to come back.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Final
from weakref import WeakValueDictionary

from gateway.protocol.limits import MAX_BACKLOG_REPORTS, WINDOW_REPORTS
from gateway.settings import LimitSettings

MAX_REMEMBERED: Final = 20_000
"""Devices without a session whose buckets are remembered, so that to connect again wins nothing.
The one longest away is forgotten first, and each as soon as its buckets are full. Some 20 MB."""

LONGEST_WAIT_SECONDS: Final = 60
"""Longest time that a device is told to wait: no longer than after a lost link. A shorter wait than
is needed costs one more refusal; a longer one keeps good reports on a handset with a fault."""

MAX_DEFIED: Final = 2 * WINDOW_REPORTS
"""Frames refused before the time that the device was told: an honest one has at most a window of
single reports under way when it is told, and what else it sends is little."""

GREETINGS_PER_SECOND: Final = 0.5
"""Look-ups in the database for one device over MQTT: it greets once for each connection, and the
back-off of an honest one soon exceeds two seconds."""

BURST_GREETINGS: Final = 60
"""The same at once: a handset at the edge of a cell. Far below the places of `Admission`."""

BYTES_PER_KEPT: Final = 1_024
"""Of a frame in quarantine that weigh like one more item: an item's row takes a quarter of it."""

QUICK_PER_SECOND: Final = 2.0
"""Single reports that go past those of others who flood: forty times what an inspector writes."""

BURST_QUICK: Final = 16
"""The same at once. Small, so that a thousand devices that all send much win nothing by it."""

_TOLERANCE_SECONDS: Final = 1e-6
"""Sums of floating-point numbers may be off by this."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a bucket fills and how much it holds."""

    per_second: float
    burst: int


class Bucket:
    """Holds up to `burst` items and fills with time. It is full at first."""

    __slots__ = ("_full_at", "_most_seconds", "_seconds_each")

    def __init__(self, rate: Rate) -> None:
        self._seconds_each = 1 / rate.per_second
        self._most_seconds = rate.burst * self._seconds_each + _TOLERANCE_SECONDS
        self._full_at = -math.inf

    def take(self, items: int, now: float) -> bool:
        """Take so many out if all of them are there."""
        full_at = self._full_at
        if full_at < now:  # noqa: PLR1730 - each report comes by here, and max() is twice as dear
            full_at = now
        full_at += items * self._seconds_each
        if full_at - now > self._most_seconds:
            return False
        self._full_at = full_at
        return True

    def charge(self, items: int, now: float) -> None:
        """Take out what is used already. The debt is at most as large as the bucket."""
        full_at = max(self._full_at, now) + items * self._seconds_each
        self._full_at = min(full_at, now + 2 * self._most_seconds)

    def room(self, now: float) -> int:
        """How many items are there."""
        missing_seconds = max(0.0, self._full_at - now)
        return max(0, int((self._most_seconds - missing_seconds) / self._seconds_each))

    def is_overdrawn(self, now: float) -> bool:
        """Whether it owes something."""
        return self._full_at - now > self._most_seconds

    def is_full(self, now: float) -> bool:
        """Whether nothing is missing."""
        return self._full_at <= now

    def seconds_until(self, items: int, now: float) -> float:
        """Until so many are there; until it is full if it never holds so many."""
        missing = items * self._seconds_each - self._most_seconds
        return max(0.0, max(self._full_at, now) - now + min(missing, 0.0))


class Allowance:
    """What one device may still do."""

    __slots__ = (
        "__weakref__",
        "_defied",
        "_may_owe",
        "_silent_until",
        "_told_until",
        "emergencies",
        "greetings",
        "kept",
        "quick",
        "reports",
    )

    def __init__(self, limits: "Limits") -> None:
        self.reports = Bucket(limits.reports)
        """Items; any other frame counts one."""
        self.emergencies = Bucket(limits.emergencies)
        """Single emergencies that go past everything else. More of them go with the reports."""
        self.quick = Bucket(limits.quick)
        """Single reports that go past others' floods."""
        self.greetings = Bucket(limits.greetings)
        """Look-ups in the database over MQTT."""
        self.kept = Bucket(limits.kept)
        """What is kept in quarantine: items, and `BYTES_PER_KEPT` of their frames."""
        self._told_until = -math.inf
        self._may_owe = False
        self._defied = 0
        self._silent_until = -math.inf

    def take(self, items: int, now: float) -> bool:
        """Take what a frame brings. False also for a device that owes more quarantine than it has:
        what only the database finds cannot be foreseen.
        """
        if self._may_owe and self.kept.is_overdrawn(now):
            return False
        return self.reports.take(items, now)

    def take_kept(self, items: int, frame_bytes: int, now: float) -> int:
        """Take room in quarantine for a frame and as many of its items as there is room for;
        returns how many of them.
        """
        frame = frame_bytes // BYTES_PER_KEPT
        fitting = min(items, self.kept.room(now) - frame)
        if fitting <= 0 or not self.kept.take(fitting + frame, now):
            return 0
        return fitting

    def charge_kept(self, items: int, frame_bytes: int, now: float) -> None:
        """Take room in quarantine that is used already."""
        self.kept.charge(items + frame_bytes // BYTES_PER_KEPT, now)
        self._may_owe = True

    def refuse(self, now: float) -> int:
        """Note that a frame is refused; returns how many seconds its device is to wait: until there
        is room for a whole backlog, so that it comes back for more than one report.
        """
        if now >= self._told_until:
            seconds = max(
                self.reports.seconds_until(MAX_BACKLOG_REPORTS, now),
                self.kept.seconds_until(1, now),
            )
            self._told_until = now + min(max(1, math.ceil(seconds)), LONGEST_WAIT_SECONDS)
            self._defied = 0
        self._defied += 1
        return math.ceil(self._told_until - now)

    def may_be_told(self, now: float) -> bool:
        """Whether to say a word to a device that does not listen: once a second."""
        if now < self._silent_until:
            return False
        self._silent_until = now + 1
        return True

    @property
    def is_defied(self) -> bool:
        """Whether the device goes on sending although it was told to wait."""
        return self._defied > MAX_DEFIED

    def is_full(self, now: float) -> bool:
        """Whether it is like a new one."""
        buckets = (self.reports, self.emergencies, self.quick, self.greetings, self.kept)
        return now >= self._told_until and all(bucket.is_full(now) for bucket in buckets)


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of every device."""

    reports: Rate
    emergencies: Rate
    greetings: Rate
    kept: Rate
    quick: Rate = Rate(QUICK_PER_SECOND, BURST_QUICK)


class Allowances:
    """The allowances of all devices of a process."""

    def __init__(
        self, settings: LimitSettings | None = None, *, max_remembered: int = MAX_REMEMBERED
    ) -> None:
        settings = settings or LimitSettings()
        self._limits = Limits(
            Rate(settings.reports_per_second, settings.burst_reports),
            Rate(settings.emergencies_per_minute / 60, settings.burst_emergencies),
            Rate(GREETINGS_PER_SECOND, BURST_GREETINGS),
            Rate(settings.quarantined_per_minute / 60, settings.burst_quarantined),
        )
        self._max_remembered = max_remembered
        self._in_use: WeakValueDictionary[int, Allowance] = WeakValueDictionary()
        self._recent: OrderedDict[int, Allowance] = OrderedDict()

    def __len__(self) -> int:
        """How many devices are remembered."""
        return len(self._recent)

    def of(self, device_id: int, now: float) -> Allowance:
        """The allowance of a device, the same as long as anybody holds it."""
        allowance = self._recent.get(device_id) or self._in_use.get(device_id)
        if allowance is None:
            allowance = self._in_use[device_id] = Allowance(self._limits)
            self._forget_full(now)
        self._recent[device_id] = allowance
        self._recent.move_to_end(device_id)
        if len(self._recent) > self._max_remembered:
            self._recent.popitem(last=False)
        return allowance

    def _forget_full(self, now: float) -> None:
        """Two for each that is new: so they leave faster than they come."""
        for device_id in list(islice(self._recent, 2)):
            if self._recent[device_id].is_full(now):
                del self._recent[device_id]
