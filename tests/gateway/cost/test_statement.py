"""Whole bills, computed by hand to the cent.

Two handsets in 60 days. KiB in brackets count half, because they fell into the night:

    10 January    1, street 1, tcp    100 KiB             10 reports   20 + 10 segments
     5 February   1, street 1, tcp     20 KiB + 1 byte     5 reports   10 +  5 segments
     6 February   2, street 2, mqtt    20 + (10) KiB       5 reports    5 +  5 segments
     6 February   2, street 2          2 tasks                               4 segments
"""

from datetime import date
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.statement import GroupBy, Line, Period, Statement, make_statement
from gateway.cost.usage import Usage
from tests.helpers.strategies import UNHURRIED
from tests.helpers.usages import data_tariff, sms_tariff, use

KIB = 1024
MONTHS = Period(date(2008, 1, 1), date(2008, 2, 29))
QUARTER = Period(date(2008, 1, 1), date(2008, 3, 31))

USAGES = [
    use(
        "2008-01-10",
        device=1,
        street=1,
        bytes_up=60 * KIB,
        bytes_down=40 * KIB,
        connections=2,
        reports=10,
        report_segments=20,
        confirmation_segments=10,
    ),
    use(
        "2008-02-05",
        device=1,
        street=1,
        bytes_up=20 * KIB + 1,
        connections=1,
        reports=5,
        report_segments=10,
        confirmation_segments=5,
    ),
    use(
        "2008-02-06",
        transport="mqtt",
        device=2,
        street=2,
        bytes_up=30 * KIB,
        night_bytes=10 * KIB,
        reports=5,
        report_segments=5,
        confirmation_segments=5,
    ),
    use("2008-02-06", transport=None, device=2, street=2, tasks=2, task_segments=4),
]

SMS = sms_tariff("sms")
PLAN = data_tariff("plan", fee=1, allowance_bytes=90 * KIB, night_factor="0.5")
NO_PLAN = data_tariff("no-plan", price="0.03", night_factor="0.5")


def bill(by: GroupBy | None = None) -> Statement:
    """Of these days, under these tariffs."""
    return make_statement(USAGES, MONTHS, [SMS, PLAN, NO_PLAN], by=by)


def figures(line: Line) -> list[str]:
    """The sums of a line, as they are shown."""
    sums = (line.cost, line.per_report, line.a_year, line.saving, line.saving_a_year)
    return [*map(str, sums), str(line.saving_percent)]


def test_totals() -> None:
    """150 KiB and a byte for 20 reports are 7,680.05 bytes each."""
    statement = bill()
    assert (statement.period, statement.days, statement.played_as) == (MONTHS, 60, None)
    totals = statement.totals
    assert (totals.devices, totals.reports, totals.tasks) == (2, 20, 2)
    assert (totals.bytes_up, totals.bytes_down) == (110 * KIB + 1, 40 * KIB)
    assert (totals.sms_segments_up, totals.sms_segments_down) == (35, 24)
    assert str(totals.bytes_per_report) == "7680.1"
    assert statement.groups == []
    assert statement.break_even.reports == 26


def test_short_messages() -> None:
    """Handset 1: 30 and 15 segments, 3.00 + 1.50; handset 2: 14, 1.40. Together 5.90, over 20
    reports 0.295. A mean month: 4.50 x 365/720 = 2.281, 1.40 x 365/720 = 0.710; 2.99 x 12 = 35.88.
    """
    line = bill().lines[0]
    assert (line.tariff, line.is_sms) == ("sms", True)
    assert figures(line) == ["5.90", "0.2950", "35.88", "0.00", "0.00", "0.0"]


def test_a_plan() -> None:
    """Fees of 1.00 for three cards and months, 10 KiB over 90 in January: 3.10. A mean month has 61
    and 13 KiB, so two fees: 2.00 x 12 = 24.00. Saved 2.80 of 5.90, 47.46 %, and 11.88 a year.
    """
    line = bill().lines[1]
    assert (line.tariff, line.is_sms) == ("plan", False)
    assert figures(line) == ["3.10", "0.1550", "24.00", "2.80", "11.88", "47.5"]


def test_no_plan() -> None:
    """100, 21 and 20 + 10/2 KiB at 0.03: 3.00 + 0.63 + 0.75 = 4.38. A mean month: (120 KiB + 1) x
    365/720 = 60.8, so 61; 25 x 365/720 = 12.7, so 13: 1.83 + 0.39 = 2.22, x 12 = 26.64. Saved 1.52
    of 5.90, 25.76 %, and 9.24 a year.
    """
    assert figures(bill().lines[2]) == ["4.38", "0.2190", "26.64", "1.52", "9.24", "25.8"]


@pytest.mark.parametrize(
    "by, expected",
    [
        ("street", {"1": ["4.50", "2.10", "3.63"], "2": ["1.40", "1.00", "0.75"]}),
        ("device", {"1": ["4.50", "2.10", "3.63"], "2": ["1.40", "1.00", "0.75"]}),
        (
            "transport",
            {
                "mqtt": ["1.00", "1.00", "0.75"],
                "tcp": ["4.50", "2.10", "3.63"],
                "": ["0.40", "0.00", "0.00"],
            },
        ),
        (
            "day",
            {
                "2008-01-10": ["3.00", "1.10", "3.00"],
                "2008-02-05": ["1.50", "1.00", "0.63"],
                "2008-02-06": ["1.40", "1.00", "0.75"],
            },
        ),
    ],
)
def test_groups(by: GroupBy, expected: dict[str, list[str]]) -> None:
    """Each group's part under sms, plan and no-plan, in order of the keys. What nobody notes the
    way of has an empty key, and no fee beside traffic of the same day.
    """
    groups = bill(by).groups
    assert {group.key: list(map(str, group.costs.values())) for group in groups} == expected
    assert [group.key for group in groups] == list(expected)
    assert sum(group.totals.reports for group in groups) == 20


def test_a_simulation() -> None:
    """910 reports stand for 91 days. 65 shifts of 11,719 bytes up and 6,153 down are added: 770,835
    up, 399,945 down. January 262,591 + 136,245 = 389.5 KiB, February 245,651 + 127,455 = 364.4,
    March 262,593 + 136,245 = 389.5: 390 + 365 + 390 cents. SMS: 2,730 segments. A mean month:
    1,170,780 x 365/1,092 = 382.2 KiB, 383 cents x 12; 273 x 365/1,092 = 91.25 x 12.
    """
    metered = use(
        "2026-11-24",
        bytes_up=9_100,
        night_bytes=9_100,
        reports=910,
        report_segments=1_820,
        confirmation_segments=910,
    )
    today = Period(metered.day, metered.day)
    tariffs = [SMS, data_tariff(night_factor=0)]
    statement = make_statement([metered], today, tariffs, played_as=QUARTER)
    assert (statement.period, statement.days, statement.played_as) == (today, 91, QUARTER)
    assert statement.totals.idle_bytes == 65 * 17_872
    sums = [(str(line.cost), str(line.a_year)) for line in statement.lines]
    assert sums == [("273.00", "1095.00"), ("11.45", "45.96")]


def test_a_simulation_by_day() -> None:
    """Days are those that it stands for; rounding each up costs a unit's part a day."""
    metered = use("2026-11-24", bytes_up=9_100, reports=910)
    today = Period(metered.day, metered.day)
    tariffs = [data_tariff("month"), data_tariff("day", rounding="day")]
    by_day = make_statement([metered], today, tariffs, by="day", played_as=QUARTER)
    assert [group.key for group in by_day.groups] == [day.isoformat() for day in QUARTER.days()]
    # 770,835 + 399,945 bytes over 91 days are 12,865.7 a day, 12.56 KiB, so 13.
    assert [str(line.cost) for line in by_day.lines] == ["11.45", "11.83"]
    assert by_day.lines == make_statement([metered], today, tariffs, played_as=QUARTER).lines


def test_nothing_used() -> None:
    """No reports, no card, no cost, nothing to divide by."""
    empty = [use("2008-01-01")]
    statement = make_statement(empty, MONTHS, [SMS, PLAN], by="street")
    assert [figures(line) for line in statement.lines] == [
        ["0.00", "None", "0.00", "0.00", "0.00", "None"]
    ] * 2
    assert statement.totals.devices == 0
    assert statement.groups == []


def test_savings_are_among_one_currency() -> None:
    """Against the first tariff for SMS in it, wherever it stands in the list."""
    euro = msgspec.structs.replace(PLAN, id="euro", currency="EUR")
    dear = sms_tariff("dear", "1", "1")
    lines = make_statement(USAGES, MONTHS, [PLAN, SMS, dear, euro]).lines
    assert [str(line.saving) for line in lines] == ["2.80", "0.00", "-53.10", "None"]
    assert str(lines[2].saving_percent) == "-900.0"
    assert (lines[3].saving_a_year, lines[3].saving_percent) == (None, None)


def test_an_assumption_stays_one() -> None:
    """A line says what its tariff says of itself."""
    guess = msgspec.structs.replace(PLAN, assumption=True, name="a guess")
    (line,) = make_statement(USAGES, MONTHS, [guess]).lines
    assert (line.assumption, line.name, line.currency) == (True, "a guess", "CNY")


@pytest.mark.parametrize("day", ["2007-12-31", "2008-03-01"])
def test_a_usage_of_another_day(day: str) -> None:
    """Is a mistake of the caller: it would be billed to a month that is not asked for."""
    with pytest.raises(ValueError, match="2008-01-01 to 2008-02-29"):
        make_statement([use(day, bytes_up=1)], MONTHS, [SMS])


def test_two_tariffs_of_one_id() -> None:
    """Their costs could not be told apart."""
    with pytest.raises(ValueError, match="two tariffs of one id"):
        make_statement(USAGES, MONTHS, [PLAN, SMS, PLAN])


_counts = st.integers(0, 50_000)
usages = st.lists(
    st.builds(
        use,
        st.dates(MONTHS.first, MONTHS.last).map(date.isoformat),
        st.integers(1, 4),
        st.sampled_from(["tcp", "mqtt", None]),
        st.sampled_from([1, 2, 3, None]),
        bytes_up=_counts,
        bytes_down=_counts,
        kib=st.integers(0, 90),
        reports=st.integers(0, 9),
        report_segments=st.integers(0, 30),
        task_segments=st.integers(0, 30),
    ),
    max_size=15,
    unique_by=lambda usage: (usage.day, usage.device, usage.transport),
)
plans = st.fixed_dictionaries(
    {
        "fee": st.sampled_from(["0", "0.01", "7.77"]),
        "allowance_bytes": st.sampled_from([0, 10_000]),
        "price": st.sampled_from(["0.01", "0.00033", "3"]),
        "rounding": st.sampled_from(["session", "day", "month"]),
        "pooled": st.booleans(),
    }
)


@UNHURRIED
@given(
    usages,
    plans,
    st.sampled_from(get_args(GroupBy)),
    st.sampled_from([None, MONTHS, Period(date(2008, 1, 1), date(2008, 1, 9))]),
)
def test_groups_add_up(
    used: list[Usage], plan: dict[str, Any], by: GroupBy, played_as: Period | None
) -> None:
    """However it is divided, and whatever is charged: to the cent, and to the byte."""
    tariffs = [sms_tariff(up="0.075", down="0.1"), data_tariff(**plan)]
    statement = make_statement(used, MONTHS, tariffs, by=by, played_as=played_as)
    for line in statement.lines:
        parts = (group.costs[line.tariff] for group in statement.groups)
        assert sum(parts, Decimal(0)) == line.cost
    for name in ("bytes_up", "bytes_down", "idle_bytes", "reports", "sms_segments_up"):
        parts_of_it = (getattr(group.totals, name) for group in statement.groups)
        assert sum(parts_of_it) == getattr(statement.totals, name)
