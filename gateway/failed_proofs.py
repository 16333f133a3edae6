"""How long the refusal of a wrong proof is held back: longer with each that the same address, or
the same device number, has failed lately.

Only the refusal waits. Every proof is checked at once and a right one admitted at once, whatever
others did in the device's name or from its address: so nobody can lock a handset out by failing
for it. A secret of 128 random bits is not guessed, held back or not; what the wait bounds is the
noise: look-ups and log lines of somebody who tries, and of a handset with a wrong secret.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

FIRST_HOLD_SECONDS: Final = 0.5
"""After the first failure. Counted from the hello, and longer than a look-up takes: so the time of
the refusal does not tell whether there is such a device."""

MAX_HOLD_SECONDS: Final = 30.0
"""Half of the time that a handset waits for an answer (`REPLY_TIMEOUT_SECONDS`): it still learns
why, instead of taking the link for dead."""

FORGET_ONE_SECONDS: Final = 60.0
"""One failure is forgotten in this time: a handset with a wrong secret, which comes back after a
minute, is held back a second or so each time, and somebody who tries all the time is slowed down
for seven minutes after he stops."""

MAX_REMEMBERED: Final = 65_536
"""Addresses, and as many device numbers, whose failures are remembered: some 20 MB of both. The
one that failed longest ago is forgotten first. More addresses than that are no single attacker's,
and a forgotten number costs nothing: its failures are still counted by address."""

_MAX_FAILURES: Final = 7.0
"""More do not count: with the seventh the longest hold is reached."""


class FailedProofs:
    """The failures of late, by address and by device number."""

    def __init__(self) -> None:
        self._failures: tuple[_Failures, _Failures] = _Failures(), _Failures()

    def hold_seconds(self, address: str, device: int, now: float) -> float:
        """Note one more failure; how long after the hello its refusal goes out.

        `address` is a neighbourhood, as `strangers` has it; `now` is of any clock that never runs
        back, in seconds.
        """
        by_address, by_device = self._failures
        failures = max(by_address.add(address, now), by_device.add(device, now))
        return float(min(FIRST_HOLD_SECONDS * 2 ** (failures - 1), MAX_HOLD_SECONDS))

    def __len__(self) -> int:
        """How many addresses and device numbers are remembered."""
        return sum(map(len, self._failures))


class _Failures:
    """Failures that are forgotten with time, of a bounded number of keys."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """Failures not yet forgotten, and when that was."""

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, key: Hashable, now: float) -> float:
        """Count one; how many there are now, up to the most that count."""
        left, at = self._by_key.pop(key, (0.0, now))
        forgotten = (now - at) / FORGET_ONE_SECONDS
        failures = min(max(left - forgotten, 0.0) + 1.0, _MAX_FAILURES)
        self._by_key[key] = failures, now
        if len(self._by_key) > MAX_REMEMBERED:
            self._by_key.popitem(last=False)
        return failures
