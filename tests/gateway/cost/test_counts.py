"""Sums of reports and tasks, by hand."""

from datetime import date
from typing import Any

import pytest

from gateway.cost.counts import Counts, count_report, count_task_change
from gateway.cost.old_texts import OldTexts, Templates

STORED_ON = date(2026, 11, 24)
NOON = 1_206_000_000
"""2008-03-20T16:00:00 in China."""

TEXTS = OldTexts(
    Templates(report="{description}", confirmation="OK", task="{text}", answer="{text}")
)
"""Whose lengths are easy to see: 70 Chinese characters are one segment, 71 are two."""


def row(**changes: Any) -> list[Any]:
    """A report as the statement gives it."""
    values = {
        "ordinal": 1,
        "device": 7,
        "street": 440307003,
        "transport": "tcp",
        "kind": "event",
        "urgency": "ordinary",
        "simple": True,
        "patrol": "routine",
        "sequence": 1,
        "edition": 1,
        "observed_at": NOON,
        "class_code": 203,
        "grid": 44_030_700_300_101,
        "lat_e5": 2_265_600,
        "lon_e5": 11_415_100,
        "accuracy_m": 12,
        "description": "井" * 70,
        "pictures": 2,
        "component": None,
    }
    return list({**values, **changes}.values())


def counted(*rows: list[Any]) -> Counts:
    """The sums of some reports."""
    counts = Counts()
    for one in rows:
        count_report(counts, TEXTS, STORED_ON, one)
    return counts


def test_a_report_is_two_messages() -> None:
    """Its text and the confirmation, on the day on which it was stored."""
    counts = counted(row(), row(description="井" * 71), row(device=8, transport="mqtt"))
    assert counts.sms == {
        (STORED_ON, 7, "tcp"): [2, 3, 2, 0, 0, 0, 0],
        (STORED_ON, 8, "mqtt"): [1, 1, 1, 0, 0, 0, 0],
    }
    assert counts.messages() == 3
    assert counts.segments() == (4, 3)


def test_a_report_counts_for_its_street() -> None:
    """By all that dashboards ask for, on the day on which it was observed."""
    counts = counted(
        row(),
        row(sequence=2),
        row(kind="component", urgency="emergency", simple=False, transport="mqtt"),
    )
    day = date(2008, 3, 20)
    assert counts.reports == {
        (day, 440307003, "event", "ordinary", "tcp", True): 2,
        (day, 440307003, "component", "emergency", "mqtt", False): 1,
    }


@pytest.mark.parametrize(
    "observed_at, day",
    [
        (NOON + 8 * 3_600 - 1, date(2008, 3, 20)),
        (NOON + 8 * 3_600, date(2008, 3, 21)),
        (946_684_800, date(2000, 1, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_china(observed_at: int, day: date) -> None:
    """To the second."""
    ((key, amount),) = counted(row(observed_at=observed_at)).reports.items()
    assert (key[0], amount) == (day, 1)


def change(**changes: Any) -> dict[str, Any]:
    """A task's change as the statement gives it."""
    return {
        "day": STORED_ON,
        "device": 7,
        "task": 1,
        "kind": "verify",
        "text": "核" * 70,
        "case_number": "",
        "answer": None,
        "answer_text": None,
        "is_first_sending": False,
        **changes,
    }


def test_a_task_is_one_message_and_an_answer_another() -> None:
    """Of the device, over whichever transport; repetitions are not counted."""
    counts = Counts()
    count_task_change(counts, TEXTS, change(is_first_sending=True, text="核" * 71))
    count_task_change(counts, TEXTS, change(answer="exists", answer_text="在"))
    count_task_change(counts, TEXTS, change(answer="absent", answer_text="无" * 71))
    assert counts.sms == {(STORED_ON, 7, None): [0, 0, 0, 1, 2, 2, 3]}
    assert counts.messages() == 3
    assert counts.segments() == (3, 2)


def test_sums_are_added() -> None:
    """Of keys that both have, and that only one has."""
    counts = counted(row(), row(device=8))
    counts.add(counted(row(), row(device=9, simple=False)))
    assert {key[1]: figures[0] for key, figures in counts.sms.items()} == {7: 2, 8: 1, 9: 1}
    assert sorted(counts.reports.values()) == [1, 3]


def test_adding_leaves_the_other_as_it_was() -> None:
    """Its lists are not shared."""
    other = counted(row())
    counts = Counts()
    counts.add(other)
    counts.add(counted(row()))
    assert other.sms[STORED_ON, 7, "tcp"][0] == 1


def test_columns_come_in_order_of_the_key() -> None:
    """A null transport first: two gateways lock rows in one order."""
    counts = counted(row(device=8), row(device=7, transport="tcp"), row(device=7, transport="mqtt"))
    count_task_change(counts, TEXTS, change(device=7, is_first_sending=True))
    days, devices, transports, reports, *others = counts.sms_columns()
    assert days == [STORED_ON] * 4
    assert devices == [7, 7, 7, 8]
    assert transports == [None, "mqtt", "tcp", "tcp"]
    assert reports == [0, 1, 1, 1]
    assert len(others) == 6
    columns = counts.report_columns()
    assert columns[4:] == [["mqtt", "tcp"], [True, True], [1, 2]]


def test_no_columns_without_rows() -> None:
    """As many as there are, all empty."""
    assert Counts().sms_columns() == [[]] * 10
    assert Counts().report_columns() == [[]] * 7
