"""All parts for real, with few reports: what is compared is compared, times are not looked at."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench.__main__ import NAMES, SIZES, TLS, Choice, main, measure
from bench.results import Results
from bench.tables import render

REPORTS = 300


@pytest.mark.slow
def test_all_parts(place: Path) -> None:
    """Each part stores what was sent, and everything is in the tables and in the JSON."""
    choice = Choice(
        parts=NAMES, reports=REPORTS, rounds=1, seed=1, directory=place / "bench", profile=None
    )
    results = measure(choice)
    parts = {measurement.part: measurement for measurement in results.measurements}
    assert set(parts) == set(NAMES) - {SIZES, TLS}
    assert parts["c"].reports == parts["d"].reports == REPORTS
    assert all(measurement.rate > 0 for measurement in parts.values())
    assert parts["d"].rss_peak_bytes
    figures = render(results)
    assert all(f"| ({name}) |" in figures for name in parts)
    assert "SMS" in figures
    plaintext, full, resumed = results.connections
    assert plaintext.bytes_down < resumed.bytes_down < full.bytes_down
    assert (plaintext.bytes_per_message, resumed.bytes_per_message) == (0, 22)
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results


def test_an_earlier_run_is_shown_again(tmp_path: Path) -> None:
    """Without measuring anything."""
    empty = Results(
        machine={"machine": "of somebody"},
        settings={},
        memory_bound_bytes=1,
        titles={},
        measurements=[],
        sizes=[],
    )
    file = tmp_path / "earlier.json"
    file.write_bytes(msgspec.json.encode(empty))
    result = CliRunner().invoke(main, ["--from", str(file)])
    assert (result.exit_code, result.output.strip()) == (0, "- machine: of somebody")


def test_help_names_every_part() -> None:
    """So that nobody has to read the source to choose."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(f"{name} " in result.output for name in NAMES)
