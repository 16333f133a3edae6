"""Every input of the corpus goes through its target: the findings of the past stay mended."""

from pathlib import Path

import pytest

from fuzz.results import CORPUS
from fuzz.seeds import SEEDS, file_name
from fuzz.targets import TARGETS, load_check

MAX_CORPUS_BYTES = 2**20
"""It is replayed in each `make test`, and everybody clones it."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of `mqtt5`
@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_replayed(name: str) -> None:
    """Without a finding."""
    check = load_check(name)
    files = sorted((CORPUS / name).iterdir())
    assert files
    for file in files:
        try:
            check(file.read_bytes())
        except BaseException as error:
            error.add_note(f"found by {file.name} of the target {name}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted_by_their_target(name: str) -> None:
    """What is shipped and documented is no finding, and no input is longer than the target's."""
    check = load_check(name)
    for seed in SEEDS[name]():
        check(seed)
        assert len(file_name(seed)) == len("da39a3ee5e6b4b0d3255bfef95601890afd80709")


def test_the_corpus_is_of_these_targets_and_small() -> None:
    """No folder of a target that is gone, and not more than anybody wants to clone."""
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_CORPUS_BYTES


def test_each_target_has_its_file() -> None:
    """And each file but the helpers is one."""
    folder = Path(CORPUS).with_name("targets")
    found = {file.stem for file in folder.glob("*.py")} - {"__init__", "items"}
    assert found == set(TARGETS)
