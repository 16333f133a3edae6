"""Counts of several runs add up as long as they were of the same parser."""

from pathlib import Path

import msgspec

from fuzz.results import Result, add, count_mended, read_results, source_of, table, write_results

RESULT = Result(
    source="s",
    commit="c1",
    runs=1,
    inputs=1_000,
    seconds=2.5,
    features=7,
    highest_bytes=50 * 2**20,
    growth_bytes=-1,
)


def test_runs_against_the_same_source_add_up() -> None:
    """Inputs and seconds are summed; of the others the most counts; the commit is the last one."""
    later = msgspec.structs.replace(RESULT, commit="c2", features=6, growth_bytes=5)
    both = add(RESULT, later)
    assert (both.runs, both.inputs, both.seconds, both.commit) == (2, 2_000, 5.0, "c2")
    assert (both.features, both.growth_bytes) == (7, 5)


def test_a_changed_parser_begins_anew() -> None:
    """What an older one has withstood says nothing of it."""
    other = msgspec.structs.replace(RESULT, source="t", inputs=10)
    assert add(RESULT, other) == other
    assert add(None, other) == other


def test_results_are_kept(tmp_path: Path) -> None:
    """In the order of the targets."""
    file = tmp_path / "results.json"
    assert read_results(file) == {}
    write_results({"topics": RESULT, "frames": RESULT}, file)
    assert list(read_results(file)) == ["frames", "topics"]
    assert read_results(file)["topics"] == RESULT


def test_the_table() -> None:
    """A line for each target, with the findings that are mended."""
    heading, _, line = table({"topics": RESULT}, {"topics": 3}).splitlines()
    assert heading.count("|") == line.count("|")
    assert line == (
        "| `topics` | topics that devices publish to | 1,000 | 2 | 7 | 50 MiB | -0.0 MiB | 3 |"
        " `c1` |"
    )


def test_mended_findings_are_inputs_of_the_corpus(tmp_path: Path) -> None:
    """Those whose names say so."""
    (tmp_path / "topics").mkdir()
    for name in ("crash-1", "crash-2", "0a1b"):
        (tmp_path / "topics" / name).touch()
    assert count_mended("topics", tmp_path) == 2


def test_each_parser_has_its_own_source() -> None:
    """Two that share one have the same."""
    assert source_of("frames") == source_of("texts") != source_of("requests")
