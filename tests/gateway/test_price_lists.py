"""Tariffs from files: those that are shipped, and those of an operator."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.cost.tariff import DataPrices, SmsPrices, TariffError
from gateway.price_lists import find_tariff, load_tariffs

ROOT = Path(__file__).resolve().parents[2]
MB = 1_048_576

OWN = """
name = "Contract 2026-17"
currency = "CNY"
source = "the contract"
assumption = false
[data]
price = 0.5
unit_bytes = 1048576
"""


def gprs(price: str, fee: int = 0, allowance_bytes: int = 0) -> DataPrices:
    """A KB is 1,024 bytes, summed over the month, half by night."""
    return DataPrices(
        fee=Decimal(fee),
        allowance_bytes=allowance_bytes,
        price=Decimal(price),
        unit_bytes=1_024,
        rounding="month",
        night_factor=Decimal("0.5"),
    )


def test_what_is_shipped() -> None:
    """The prices of the published lists, that for SMS first, the guess last and marked."""
    tariffs = load_tariffs()
    assert {name: tariff.sms or tariff.data for name, tariff in tariffs.items()} == {
        "sms-2006": SmsPrices(up=Decimal("0.1"), down=Decimal("0.1")),
        "gprs-2006-no-plan": gprs("0.03"),
        "gprs-2006-plan-20": gprs("0.01", 20, 50 * MB),
        "gprs-2006-plan-100": gprs("0.01", 100, 800 * MB),
        "iot-2026": DataPrices(
            fee=Decimal(2),
            allowance_bytes=30 * MB,
            price=Decimal("0.29"),
            unit_bytes=MB,
            pooled=True,
        ),
    }
    assert list(tariffs) == [
        "sms-2006",
        "gprs-2006-no-plan",
        "gprs-2006-plan-20",
        "gprs-2006-plan-100",
        "iot-2026",
    ]
    assert [t.id for t in tariffs.values() if t.assumption] == ["iot-2026"]
    assert {t.currency for t in tariffs.values()} == {"CNY"}


def test_they_stand_at_the_root_too() -> None:
    """Where people look for them."""
    assert (ROOT / "tariffs").resolve() == ROOT / "gateway" / "tariffs"


def test_own_ones_beside_and_instead(tmp_path: Path) -> None:
    """A file with the id of a shipped one takes its place; other files are left alone."""
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "iot-2026.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "README.md").write_text("no tariff", encoding="utf-8")
    tariffs = load_tariffs(str(tmp_path))
    assert tariffs.keys() == load_tariffs().keys() | {"own"}
    assert tariffs["iot-2026"].name == tariffs["own"].name == "Contract 2026-17"


def test_finding_one(tmp_path: Path) -> None:
    """By id among the shipped and the own ones, or as a file anywhere."""
    assert find_tariff("sms-2006").id == "sms-2006"
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    assert find_tariff("own", str(tmp_path)) == find_tariff(str(file))


def test_one_that_is_not_there() -> None:
    """The message says which there are."""
    with pytest.raises(TariffError, match=r"no tariff gprs.*sms-2006, .*iot-2026"):
        find_tariff("gprs")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(TariffError, match=r"nowhere: No such file"):
        load_tariffs(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("own.toml", OWN.replace("0.5", "-0.5").encode(), "data.price"),
        ("own.toml", b"name =", "not valid TOML"),
        ("own.toml", b"\xff", "not UTF-8"),
        ("Own.toml", OWN.encode(), "small letters"),
        (f"{'x' * 65}.toml", OWN.encode(), "at most 64"),
        (".toml", OWN.encode(), "small letters"),
    ],
)
def test_a_file_with_a_fault(tmp_path: Path, name: str, content: bytes, part: str) -> None:
    """The message has the file and the fault, whether it is asked for or found."""
    file = tmp_path / name
    file.write_bytes(content)
    for load in (lambda: load_tariffs(str(tmp_path)), lambda: find_tariff(str(file))):
        with pytest.raises(TariffError) as caught:
            load()
        assert str(file) in str(caught.value)
        assert part in str(caught.value)


def test_a_name_as_long_as_allowed(tmp_path: Path) -> None:
    """64 characters."""
    (tmp_path / f"{'x' * 64}.toml").write_text(OWN, encoding="utf-8")
    assert "x" * 64 in load_tariffs(str(tmp_path))


def test_a_path_that_cannot_be() -> None:
    """With NUL in it, whether of a folder or a file."""
    with pytest.raises(TariffError, match="embedded null byte"):
        load_tariffs("a\0b")
    with pytest.raises(TariffError, match="embedded null byte"):
        find_tariff("a\0b/x.toml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(TariffError, match=r"own\.toml: No such file"):
        find_tariff(str(tmp_path / "own.toml"))
