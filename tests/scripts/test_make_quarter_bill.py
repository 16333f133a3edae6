"""The bill of the whole quarter in `docs/cost-model.md`."""

import pytest

from device_sim.scenario import longgang_q1
from scripts.make_quarter_bill import DOCUMENT, blocks, quarter_bill, table
from scripts.marked_blocks import replace_blocks


@pytest.mark.slow
def test_the_document_agrees() -> None:
    """Run `python -m scripts.make_quarter_bill` when this fails."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_blocks(text, blocks()) == text


def test_a_small_quarter() -> None:
    """Every inspector of the scenario has a card, and a row tells what a tariff asks for it: three
    months at 20 yuan each.
    """
    statement = quarter_bill(longgang_q1(1, devices=13, reports=26, transport="tcp"))
    assert (statement.totals.reports, statement.days) == (26, 91)
    cards = statement.totals.devices
    assert 0 < cards <= 13
    (row,) = [row for row in table(statement).splitlines() if "plan-20" in row]
    assert row.split(" | ")[1] == f"{cards * 60:,}.00"
