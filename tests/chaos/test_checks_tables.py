"""Ledger and watermarks, each with a defect to find."""

from typing import Any

import pytest

from chaos.checks_tables import ledger_findings, watermark_findings

LEDGER: dict[str, Any] = {
    "day": "2026-11-24",
    "gateway": "a",
    "lane": 0,
    "transport": "tcp",
    "received": 10,
    "stored": 4,
    "duplicate": 3,
    "quarantined": 2,
    "refused": 1,
}
MARK: dict[str, Any] = {"device_id": 1, "installation": 2, "settled_through": 5, "there": 5}


def test_a_ledger_that_closes() -> None:
    """Sums over all rows are the tables; what was repeated counts in the ledger alone."""
    checked = ledger_findings([LEDGER, {**LEDGER, "lane": 1}], stored=8, quarantined=3)
    assert checked.findings == []
    assert checked.counts["received"] == 20


@pytest.mark.parametrize(
    "change, stored, quarantined, finding",
    [
        ({"received": 11}, 4, 2, "does not close: 2026-11-24 a lane 0 tcp: 11 received, 10 known"),
        ({}, 5, 2, "stored: 4 by the ledger, 5 in the tables"),
        ({}, 3, 2, "stored: 4 by the ledger, 3 in the tables"),
        ({}, 4, 3, "quarantined: 2 by the ledger, 3 in the table"),
    ],
)
def test_a_ledger_with_a_defect(
    change: dict[str, Any], stored: int, quarantined: int, finding: str
) -> None:
    """One too many or too few in any place is found."""
    checked = ledger_findings([{**LEDGER, **change}], stored, quarantined)
    assert checked.findings == [finding]


def test_a_watermark_that_leads() -> None:
    """It may lag; one number too far is found."""
    lagging, leading = {**MARK, "settled_through": 4}, {**MARK, "settled_through": 6}
    assert watermark_findings([MARK, lagging]).findings == []
    assert watermark_findings([MARK, leading]).findings == [
        "leads: device 1 installation 2: through 6, of which 5 are there"
    ]
