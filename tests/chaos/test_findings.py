"""What a check came to."""

from chaos.findings import EXAMPLES, Checked


def test_all_findings_are_counted_and_the_first_are_told() -> None:
    """One more than fits is counted, and says so."""
    checked = Checked("a check")
    assert checked.findings == []
    for number in range(EXAMPLES):
        checked.found("lost", number)
    assert len(checked.findings) == EXAMPLES
    checked.found("lost", "the last")
    assert checked.findings[0] == "lost: 0"
    assert checked.findings[-1] == "lost: 1 more"


def test_what_was_seen_is_summed() -> None:
    """A check that saw nothing proves nothing: how much it saw is told."""
    checked = Checked("a check")
    checked.saw("rows")
    checked.saw("rows", 3)
    assert checked.counts == {"rows": 4}
