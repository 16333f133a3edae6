"""The order of the parts."""

from bench.schedule import schedule


def test_the_ceiling_stands_between_all_others() -> None:
    """And at both ends."""
    assert schedule(["a", "c", "d"], 2) == ["a", "c", "a", "d", "a", "c", "a", "d", "a"]


def test_parts_without_the_ceiling() -> None:
    """Only what was asked for."""
    assert schedule(["c", "d"], 2) == ["c", "d", "c", "d"]


def test_the_ceiling_alone() -> None:
    """Once a round."""
    assert schedule(["a"], 3) == ["a", "a", "a"]
