"""Price lists in TOML: what is taken, and what is refused with which words."""

from decimal import Decimal

import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.tariffs import check
from gateway.cost.tariff import DataPrices, SmsPrices, Tariff, TariffError, parse_tariff
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

HEAD = 'name = "n"\ncurrency = "CNY"\nsource = "s"\nassumption = false\n'
SMS = "[sms]\nup = 0.1\ndown = 0\n"
DATA = "[data]\nprice = 0.03\nunit_bytes = 1024\n"


def test_short_messages() -> None:
    """Prices are the decimal numbers that stand there, not what a binary float makes of them."""
    tariff = parse_tariff(HEAD + SMS, "x")
    assert tariff == Tariff(
        id="x",
        name="n",
        currency="CNY",
        source="s",
        assumption=False,
        sms=SmsPrices(up=Decimal("0.1"), down=Decimal(0)),
    )
    assert str(tariff.sms.up if tariff.sms else "") == "0.1"


def test_data_with_defaults() -> None:
    """No fee, nothing included, rounded over the month, the night like the day, each card alone."""
    assert parse_tariff(HEAD + DATA, "x").data == DataPrices(
        fee=Decimal(0),
        allowance_bytes=0,
        price=Decimal("0.03"),
        unit_bytes=1_024,
        rounding="month",
        night_factor=Decimal(1),
        pooled=False,
    )


def test_everything_at_its_limits() -> None:
    """The highest and the finest that is allowed."""
    text = (
        f"{HEAD}[data]\nfee = 999_999.99\nallowance_bytes = 1_000_000_000_000_000\n"
        "price = 1_000_000\nunit_bytes = 1024\nrounding = 'session'\nnight_factor = 0.0001\n"
        "pooled = true\n"
    )
    data = parse_tariff(text, "x").data
    assert data
    assert (data.fee, data.night_factor) == (Decimal("999999.99"), Decimal("0.0001"))
    finest = parse_tariff(f"{HEAD}[sms]\nup = 0.00000001\ndown = 0\n", "x").sms
    assert finest
    assert finest.up == Decimal("1e-8")


@pytest.mark.parametrize(
    "text, parts",
    [
        (HEAD, ["sms, data", "one of"]),
        (HEAD + SMS + DATA, ["sms, data", "not both"]),
        (HEAD.replace("CNY", "yuan") + SMS, ["currency"]),
        (HEAD.replace('"n"', '""') + SMS, ["name"]),
        (HEAD.replace('"s"', '""') + SMS, ["source"]),
        (HEAD.replace("false", '"no"') + SMS, ["assumption"]),
        ('name = "n"\n' + SMS, ["currency"]),
        (f'id = "y"\n{HEAD}{SMS}', ["id", "leave it out"]),
        (f"colour = 1\n{HEAD}{SMS}", ["colour"]),
        (f"{HEAD}{SMS}sideways = 1\n", ["sms", "sideways"]),
        (f"{HEAD}{DATA}prise = 1\n", ["data", "prise"]),
        (f"{HEAD}[sms]\nup = 0.1\n", ["sms", "down"]),
        (f"{HEAD}[sms]\nup = -0.1\ndown = 0\n", ["sms.up", "-0.1"]),
        (f"{HEAD}[sms]\nup = 0\ndown = nan\n", ["sms.down", "NaN"]),
        (f"{HEAD}[sms]\nup = inf\ndown = 0\n", ["sms.up"]),
        (f"{HEAD}[sms]\nup = 0.000000001\ndown = 0\n", ["sms.up", "8 decimals"]),
        (f"{HEAD}[sms]\nup = 1000000.01\ndown = 0\n", ["sms.up", "1,000,000"]),
        (f"{HEAD}{DATA}fee = 0.001\n", ["data.fee", "2 decimals"]),
        (f"{HEAD}{DATA}fee = -1\n", ["data.fee", "-1"]),
        (f"{HEAD}{DATA}night_factor = 1.1\n", ["data.night_factor", "0 to 1"]),
        (f"{HEAD}{DATA}night_factor = -0.1\n", ["data.night_factor", "0 to 1"]),
        (f"{HEAD}{DATA}night_factor = 0.00001\n", ["data.night_factor", "4 decimals"]),
        (f"{HEAD}{DATA}allowance_bytes = -1\n", ["data.allowance_bytes"]),
        (f"{HEAD}{DATA}allowance_bytes = 1000000000000001\n", ["data.allowance_bytes"]),
        (f"{HEAD}{DATA}allowance_bytes = 1.5\n", ["data.allowance_bytes"]),
        (f"{HEAD}{DATA}rounding = 'year'\n", ["data.rounding", "'year'"]),
        (f"{HEAD}[data]\nprice = 1\nunit_bytes = 0\n", ["data.unit_bytes"]),
        (
            f"{HEAD}[data]\nprice = 1\nunit_bytes = 1000\nrounding = 'session'\n",
            ["data.rounding", "unit_bytes = 1024"],
        ),
        ("name = 1 2\n", ["not valid TOML", "line 1"]),
        (f"{HEAD}{DATA}fee = 1e{'9' * 20}\n", ["not valid TOML", "beyond all numbers"]),
        (f"{HEAD}{DATA}fee = 1e-{'9' * 20}\n", ["not valid TOML", "beyond all numbers"]),
        (f"{HEAD}{DATA}fee = {'9' * 5000}\n", ["not valid TOML", "4300 digits"]),
        (f"{HEAD}a = {'[' * 5000}", ["not valid TOML", "nested too deeply"]),
        (HEAD.replace("CNY", r"CNY\n") + DATA, ["currency"]),
        (f"{HEAD}{DATA}fee = true\n", ["data.fee"]),
        (f"sms = 1\n{HEAD}", ["sms"]),
    ],
)
def test_what_is_refused(text: str, parts: list[str]) -> None:
    """The message has the tariff, the field and the fault."""
    with pytest.raises(TariffError) as caught:
        parse_tariff(text, "x")
    for part in ["tariff x", *parts]:
        assert part in str(caught.value)
    assert ("not valid TOML" in str(caught.value)) == ("not valid TOML" in parts)


@UNHURRIED
@given(changed(SEEDS["tariffs"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A price list is in its limits and can be told again, or its fault is named."""
    check(data)
