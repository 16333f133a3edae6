"""Growth is found at its bound and not below it; what the fuzzer itself keeps does not count."""

from pathlib import Path

import pytest

from fuzz.memory import (
    MAX_GROWTH_BYTES,
    MAX_INPUT_BYTES,
    UNIT_BYTES,
    WARM_UP_INPUTS,
    MemoryGrowthError,
    MemoryWatch,
    Reading,
    read_memory,
)

START = 50 * 2**20


def warm() -> MemoryWatch:
    """A watch behind its warm-up."""
    watch = MemoryWatch()
    watch.look(WARM_UP_INPUTS, Reading(START, START, 0))
    return watch


def test_growth_at_its_bound_and_past_it() -> None:
    """The last byte decides."""
    watch = warm()
    watch.look(10**7, Reading(START + MAX_GROWTH_BYTES, START + MAX_GROWTH_BYTES, 0))
    assert watch.growth_bytes == MAX_GROWTH_BYTES
    with pytest.raises(MemoryGrowthError, match="something is kept of each"):
        watch.look(10**7, Reading(START + MAX_GROWTH_BYTES + 1, START, 0))


def test_one_input_at_its_bound_and_past_it() -> None:
    """What is given back stays in the process's highest point."""
    watch = warm()
    watch.look(10**6, Reading(START, START + MAX_INPUT_BYTES, 0))
    with pytest.raises(MemoryGrowthError, match="one input took"):
        watch.look(10**6, Reading(START, START + MAX_INPUT_BYTES + 1, 0))


def test_what_comes_before_the_warm_up_does_not_count() -> None:
    """Caches fill and the corpus is read."""
    watch = MemoryWatch()
    watch.look(WARM_UP_INPUTS - 1, Reading(START, START, 0))
    assert watch.growth_bytes == 0
    watch.look(WARM_UP_INPUTS, Reading(3 * START, 3 * START, 0))
    assert watch.growth_bytes == 0


def test_the_corpus_does_not_count() -> None:
    """The fuzzer keeps each input that has shown something new."""
    watch = warm()
    watch.look(10**6, Reading(START + 2**25, START + 2**25, 2**25))
    assert watch.growth_bytes == 0


def test_this_process_is_read(tmp_path: Path) -> None:
    """It has some memory, and had at least as much; files of the folder count with their part."""
    (tmp_path / "unit").write_bytes(bytes(10))
    reading = read_memory(tmp_path)
    assert reading.resident_bytes > 2**20
    # The kernel sums up both from time to time: they may be a little apart.
    assert reading.highest_bytes > reading.resident_bytes - 2**20
    assert reading.corpus_bytes == 10 + UNIT_BYTES
