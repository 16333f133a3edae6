"""A bill written by hand, for tests of what is done with one."""

from datetime import date
from decimal import Decimal

from gateway.cost.statement import BreakEven, Group, Line, Period, Statement, Totals

TOTALS = Totals(
    devices=2,
    reports=10,
    tasks=3,
    answers=1,
    connections=4,
    bytes_up=2_000,
    bytes_down=1_345,
    idle_bytes=0,
    bytes_per_report=Decimal("334.5"),
    sms_segments_up=21,
    sms_segments_down=13,
)

NOTHING_METERED = Totals(
    devices=0,
    reports=0,
    tasks=0,
    answers=0,
    connections=0,
    bytes_up=0,
    bytes_down=0,
    idle_bytes=0,
    bytes_per_report=None,
    sms_segments_up=0,
    sms_segments_down=0,
)

SMS = Line(
    tariff="sms-2006",
    name="SMS 2006",
    currency="CNY",
    assumption=False,
    is_sms=True,
    cost=Decimal("3.40"),
    per_report=Decimal("0.3400"),
    a_year=Decimal("51.71"),
    saving=Decimal("0.00"),
    saving_a_year=Decimal("0.00"),
    saving_percent=Decimal("0.0"),
)

IOT = Line(
    tariff="iot",
    name="IoT",
    currency="USD",
    assumption=True,
    is_sms=False,
    cost=Decimal("0.10"),
    per_report=None,
    a_year=Decimal("1234.50"),
    saving=None,
    saving_a_year=None,
    saving_percent=None,
)

GROUPS = [
    Group(
        key="440307003",
        totals=TOTALS,
        costs={"sms-2006": Decimal("3.40"), "iot": Decimal("0.10")},
    ),
    Group(key="", totals=NOTHING_METERED, costs={"sms-2006": Decimal(0), "iot": Decimal(0)}),
]

STATEMENT = Statement(
    period=Period(date(2026, 11, 1), date(2026, 11, 24)),
    days=24,
    played_as=None,
    totals=TOTALS,
    lines=[SMS, IOT],
    groups=[],
    break_even=BreakEven(
        shift_hours=8,
        heartbeat_seconds=270,
        standing_bytes=12_345,
        connection_bytes=1_000,
        reports=13,
    ),
)
