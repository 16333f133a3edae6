"""Results, their JSON and their tables."""

import json

from chaos.__main__ import BLOCK, DOCUMENT
from chaos.result import FIGURES, Result
from chaos.schedule import Fault, make_schedule
from chaos.tables import SHORT, markdown, text
from scripts.marked_blocks import replace_blocks


def result(seed: int = 7, **changes: object) -> Result:
    """A clean run, but for the changes."""
    values = {
        "seed": seed,
        "seconds": 90.0,
        "schedule": make_schedule(seed, 90),
        "injected": {str(Fault.GATEWAY_KILLED): 3, str(Fault.LINK_CUT): 1},
        "not_injected": {},
        "counts": {name: 1_000 + place for place, name in enumerate(FIGURES)},
        "findings": [],
    }
    return Result(**(values | changes))  # type: ignore[arg-type]


def test_json_and_back() -> None:
    """Tables of an earlier run are those of the run itself."""
    first = result(findings=["lost: device 1"])
    again = Result.from_json(json.loads(json.dumps(first.as_json())))
    assert markdown([again]) == markdown([first])
    assert text(again) == text(first)


def test_a_clean_run() -> None:
    """Seed, counts and verdict are told."""
    lines = text(result())
    assert lines[0].startswith("counts: sent 1,000, ")
    assert lines[-1] == "seed 7: clean"


def test_findings_are_told() -> None:
    """Each of them, and how many."""
    lines = text(result(findings=["a", "b"]))
    assert "FINDING: a" in lines
    assert lines[-1] == "seed 7: 2 findings"
    assert "**2 findings**" in markdown([result(findings=["a", "b"])])


def test_what_could_not_be_broken_is_never_hidden() -> None:
    """It stands in the lines and in the table, in place of a number."""
    one = result(not_injected={str(Fault.DISK_FULL): "only root"})
    assert "NOT INJECTED: disk full: only root" in text(one)
    assert "not injected" in markdown([one])


def test_the_table() -> None:
    """A column for each fault, a row for each seed, sums below."""
    told = markdown([result(7), result(8, findings=["x"])])
    assert all(f" {head} |" in told for head in SHORT.values())
    assert set(SHORT) == set(Fault)
    assert "| 7 | 1.5 | 3 | 0 |" in told
    assert told.endswith("2 runs, 8 faults, 2,006 reports stored; 1 runs without a finding.")


def test_our_document_has_the_place_for_it() -> None:
    """So that `--write-docs` works."""
    text_of = DOCUMENT.read_text(encoding="utf-8")
    assert "new figures" in replace_blocks(text_of, {BLOCK: "new figures"})
