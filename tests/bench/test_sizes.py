"""Bytes per report."""

from bench.sizes import BACKLOG_SIZES, chunks, single_bytes, size_table, spread, with_texts
from bench.workload import make_fleet
from gateway.reference import load_tables
from tests.helpers.builders import EDITION_2007, build_report, build_reports

EDITION = load_tables().editions[1]


def test_a_spread_is_by_nearest_rank() -> None:
    """Percentiles are values that occurred."""
    found = spread(range(1, 101))
    assert (found.count, found.mean, found.p50, found.p95, found.max) == (100, 50.5, 50, 95, 100)


def test_a_spread_of_one() -> None:
    """All the same."""
    found = spread([7])
    assert (found.p50, found.p95, found.max) == (7, 7, 7)


def test_chunks_are_full() -> None:
    """What is left over is not measured: it would be a smaller backlog."""
    assert [len(part) for part in chunks(build_reports(25), 10)] == [10, 10]


def test_with_texts_changes_nothing_else() -> None:
    """The texts go round."""
    first, second, third = with_texts([build_reports(3)], ["一", "二"])[0]
    assert [first.description, second.description, third.description] == ["一", "二", "一"]
    assert first.sequence == 1


def test_the_length_prefix_counts() -> None:
    """A report is what the socket carries."""
    assert single_bytes(build_report(description=""), EDITION_2007) <= 32


def test_the_table_holds_every_form() -> None:
    """Each backlog size, and what it is compared with; the promise of the protocol is kept."""
    devices = [handset.reports for handset in make_fleet(100 * 773, seed=1)[:3]]
    table = size_table("scenario", devices, EDITION)
    rows = {(row.form, row.unit): row for row in table.rows}
    assert len(rows) == 2 + len(BACKLOG_SIZES) + 3
    bare_single = rows["single, no component identity", "bytes"].without_text
    bare_backlog = rows["backlog of 32", "bytes"].without_text
    assert bare_single is not None
    assert bare_backlog is not None
    assert bare_single.max <= 32
    assert bare_backlog.max <= 20
    assert rows["SMS", "segments"].whole.mean > 1
    assert rows["single", "bytes"].whole.mean < rows["SMS", "octets"].whole.mean / 2
