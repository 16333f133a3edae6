"""A value that is made only when somebody asks, and shared by all who ask within a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Made by one caller at a time; the others wait for it. An error is kept as a value is.

    Args:
        make: Makes it.
        expected: Errors that are told to all who ask; others go to the one who met them.
        keep_seconds: How long a value is good for.
        rest_factor: And how much longer than it took to make, so that a slow maker rests.
        monotonic: The clock.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        expected: tuple[type[Exception], ...],
        keep_seconds: float,
        rest_factor: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._make = make
        self._expected = expected
        self._keep_seconds = keep_seconds
        self._rest_factor = rest_factor
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._good_until = float("-inf")
        self._value: T | None = None
        self._error: Exception | None = None

    async def get(self) -> T:
        """The value, made now if there is none or it is too old. Raises one of `expected`."""
        async with self._lock:
            if self._monotonic() >= self._good_until:
                await self._renew()
        if self._error is not None:
            raise self._error.with_traceback(None)  # else it grows with each who asks
        assert self._value is not None  # noqa: S101 - there is a value or an error
        return self._value

    async def _renew(self) -> None:
        began = self._monotonic()
        try:
            self._value, self._error = await self._make(), None
        except self._expected as error:
            self._error = error
        ended = self._monotonic()
        rest = max(self._keep_seconds, self._rest_factor * (ended - began))
        self._good_until = ended + rest
