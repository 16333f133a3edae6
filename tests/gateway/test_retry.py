"""Delays between tries."""

from itertools import islice

from gateway.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS, back_off


def test_delays_double_up_to_the_largest() -> None:
    """Each lies between half of its step and the whole, and the steps double."""
    steps = [min(FIRST_DELAY_SECONDS * 2**n, MAX_DELAY_SECONDS) for n in range(12)]
    for delay, step in zip(back_off(), steps, strict=False):
        assert step / 2 <= delay <= step


def test_delays_never_end_and_never_exceed_the_largest() -> None:
    """A database may be away for days."""
    assert all(0 < delay <= 3 for delay in islice(back_off(1, 3), 10_000))


def test_gateways_do_not_come_back_in_step() -> None:
    """Two draws differ."""
    assert list(islice(back_off(), 10)) != list(islice(back_off(), 10))
