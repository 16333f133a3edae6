"""The table of fuzzing in `docs/reliability.md` is what the tool has counted."""

from pathlib import Path

from fuzz.results import count_mended, read_results, table
from fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_the_table_is_the_tools() -> None:
    """To be written anew with `make fuzz ARGS="--runs 0 --write-docs"`."""
    results = read_results()
    assert table(results, {name: count_mended(name) for name in results}) in DOCUMENT


def test_every_parser_has_been_fuzzed() -> None:
    """No target is listed that never ran."""
    assert set(read_results()) == set(TARGETS)
