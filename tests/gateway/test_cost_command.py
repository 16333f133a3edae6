"""`gateway cost` against a real database, with sums reckoned by hand."""

import asyncio
import csv
import io
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.cost.china import day_of
from gateway.price_lists import load_tariffs
from gateway.server_process import free_port

SMS = """
name = "Old"
currency = "CNY"
source = "by hand"
assumption = false

[sms]
up = "0.10"
down = "0.20"
"""

DATA = """
name = "New"
currency = "CNY"
source = "by hand"
assumption = true

[data]
fee = "1.00"
price = "0.01"
unit_bytes = 1000
"""

METERED = """
INSERT INTO traffic VALUES
    (1, 2000, 500, 0, 3, 0, 2, '2026-11-02', 'tcp'),
    (2, 1001, 0, 0, 1, 0, 1, '2026-11-03', 'mqtt');
INSERT INTO sms_avoided (
    day, device_id, transport, reports, report_segments, confirmation_segments, tasks, task_segments
) VALUES
    ('2026-11-02', 1, 'tcp', 10, 20, 10, 0, 0),
    ('2026-11-02', 1, NULL, 0, 0, 0, 1, 5);
INSERT INTO device (id, street_code, stored_key, gateway_key)
    VALUES (1, 440307003, decode(repeat('00', 16), 'hex'), decode(repeat('00', 16), 'hex'));
"""
"""SMS: 20 segments up at 0.10 and 15 down at 0.20 are 5.00. Data: two fees of 1.00, and 3 and 2
begun thousands at 0.01: 2.05.
"""


def run(dsn: str, *statements: str) -> None:
    """Change the database."""

    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(execute())


@pytest.fixture
def prices(tmp_path: Path) -> tuple[str, ...]:
    """Options for tariffs that one can reckon with."""
    (tmp_path / "old.toml").write_text(SMS)
    (tmp_path / "new.toml").write_text(DATA)
    return "--tariff", str(tmp_path / "old.toml"), "--tariff", str(tmp_path / "new.toml")


def cost(dsn: str, *arguments: str, **environment: str) -> Result:
    """Run the command in this process."""
    variables = {"GATEWAY_DATABASE__DSN": dsn, **environment}
    return CliRunner().invoke(main, ["cost", *arguments], env=variables, catch_exceptions=False)


NOVEMBER = ("--from", "2026-11-01", "--to", "2026-11-24")


def bill(dsn: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """The JSON that it writes."""
    result = cost(dsn, *arguments, "--format", "json", **environment)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_bill_reckoned_by_hand(database_dsn: str, prices: tuple[str, ...]) -> None:
    """Both ends of the period belong to it; sums are exact."""
    run(database_dsn, METERED)
    document = bill(database_dsn, "--from", "2026-11-02", "--to", "2026-11-03", *prices)
    old, new = document["lines"]
    assert (old["tariff"], old["cost"], new["tariff"], new["cost"]) == (
        "old",
        "5.00",
        "new",
        "2.05",
    )
    assert (new["saving"], new["saving_percent"]) == ("2.95", "59.0")
    totals = document["totals"]
    assert (totals["reports"], totals["tasks"], totals["devices"]) == (10, 1, 2)
    assert (totals["bytes_up"], totals["bytes_down"]) == (3001, 500)
    assert (totals["sms_segments_up"], totals["sms_segments_down"]) == (20, 15)
    only_first = bill(database_dsn, "--from", "2026-11-02", "--to", "2026-11-02", *prices)
    assert only_first["totals"]["devices"] == 1


def test_one_data_tariff_stands_beside_sms(database_dsn: str, prices: tuple[str, ...]) -> None:
    """A plan alone shows what it saves; in another currency there is nothing to save against."""
    run(database_dsn, METERED)
    new = prices[2:]
    lines = bill(database_dsn, *NOVEMBER, *new)["lines"]
    assert [line["tariff"] for line in lines] == ["sms-2006", "new"]
    assert lines[1]["saving"] is not None
    folder = {"GATEWAY_COST__TARIFFS": str(Path(new[1]).parent)}
    (Path(new[1]).parent / "far.toml").write_text(DATA.replace("CNY", "EUR"))
    assert [
        line["tariff"]
        for line in bill(database_dsn, *NOVEMBER, "--tariff", "far", **folder)["lines"]
    ] == ["far"]


def test_each_currency_has_its_sms(database_dsn: str, prices: tuple[str, ...]) -> None:
    """Tariffs of several currencies: savings are told in each, and SMS that was asked for is not
    joined by another.
    """
    run(database_dsn, METERED)
    old, new = prices[1], prices[3]
    folder = Path(new).parent
    (folder / "far.toml").write_text(DATA.replace("CNY", "EUR"))
    (folder / "far-old.toml").write_text(SMS.replace("CNY", "EUR"))
    own = {"GATEWAY_COST__TARIFFS": str(folder)}
    both = ("--tariff", "far", "--tariff", new)
    lines = bill(database_dsn, *NOVEMBER, *both, **own)["lines"]
    assert [line["tariff"] for line in lines] == ["far-old", "old", "far", "new"]
    assert [line["saving"] for line in lines[2:]] == ["2.95", "2.95"]
    lines = bill(database_dsn, *NOVEMBER, "--tariff", old, *both, **own)["lines"]
    assert [line["tariff"] for line in lines] == ["far-old", "old", "far", "new"]


def test_by_street(database_dsn: str, prices: tuple[str, ...]) -> None:
    """With the street's name in CSV and table; what belongs to none is told last."""
    run(database_dsn, METERED)
    result = cost(database_dsn, *NOVEMBER, *prices, "--by", "street", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(r["by"], r["key"], r["name"], r["tariff"], r["cost"]) for r in rows] == [
        ("all", "", "", "old", "5.00"),
        ("all", "", "", "new", "2.05"),
        ("street", "440307003", "平湖街道", "old", "5.00"),
        ("street", "440307003", "平湖街道", "new", "1.03"),
        ("street", "", "", "old", "0.00"),
        ("street", "", "", "new", "1.02"),
    ]
    table = cost(database_dsn, *NOVEMBER, *prices, "--by", "street").stdout
    assert "440307003 平湖街道" in table


@pytest.mark.parametrize(
    "by, keys",
    [
        ("device", ["1", "2"]),
        ("transport", ["mqtt", "tcp", ""]),
        ("day", ["2026-11-02", "2026-11-03"]),
    ],
)
def test_other_divisions(
    database_dsn: str, prices: tuple[str, ...], by: str, keys: list[str]
) -> None:
    """The key of each group."""
    run(database_dsn, METERED)
    document = bill(database_dsn, *NOVEMBER, *prices, "--by", by)
    assert [group["key"] for group in document["groups"]] == keys


def test_a_table_for_people(database_dsn: str) -> None:
    """Under all shipped tariffs, each on a line that is not broken."""
    run(database_dsn, METERED)
    result = cost(database_dsn, *NOVEMBER)
    assert (result.exit_code, result.stderr) == (0, "")
    for tariff in load_tariffs().values():
        assert tariff.id in result.stdout
        assert tariff.name in result.stdout


def test_defaults(database_dsn: str) -> None:
    """From the first of this month in China to today, under all tariffs."""
    today = day_of(int(time.time()))
    document = bill(database_dsn)
    assert document["period"]["first"] in {str(today.replace(day=1)), str(_tomorrow(today))}
    assert document["period"]["last"] in {str(today), str(_tomorrow(today))}
    assert [line["tariff"] for line in document["lines"]] == list(load_tariffs())
    assert bill(database_dsn, "--to", "2026-02-10")["period"]["first"] == "2026-02-01"


def _tomorrow(today: date) -> date:
    """Where the test runs at midnight."""
    return date.fromordinal(today.toordinal() + 1)


def test_nothing_metered(database_dsn: str) -> None:
    """It says so, and for programs a bill of nothing."""
    result = cost(database_dsn, *NOVEMBER)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing was metered from 2026-11-01 to 2026-11-24\n"
    assert bill(database_dsn, *NOVEMBER)["totals"]["reports"] == 0
    rows = cost(database_dsn, *NOVEMBER, "--format", "csv").stdout.splitlines()
    assert len(rows) == 1 + len(load_tariffs())


def test_reports_that_are_not_counted_yet(database_dsn: str) -> None:
    """Are missing from the bill: it says how many."""
    run(database_dsn, METERED, "INSERT INTO publication (reports) VALUES (1200)")
    result = cost(database_dsn, *NOVEMBER)
    assert result.stderr == "1,200 reports are stored and not counted yet\n"


def test_a_simulation(database_dsn: str, prices: tuple[str, ...]) -> None:
    """By the option, or by the setting, which the option overrides."""
    run(database_dsn, METERED)
    by_option = bill(database_dsn, *NOVEMBER, *prices, "--played-as", "2008-01-01/2008-03-31")
    assert by_option["played_as"] == {"first": "2008-01-01", "last": "2008-03-31"}
    assert by_option["days"] == 91
    configured = {"GATEWAY_COST__PLAYED_AS": "2008-01-01/2008-03-31"}
    assert bill(database_dsn, *NOVEMBER, *prices, **configured) == by_option
    shorter = ("--played-as", "2008-01-01/2008-01-31")
    assert bill(database_dsn, *NOVEMBER, *prices, *shorter, **configured)["days"] == 31


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--from", "2026-11-24", "--to", "2026-11-01"), "is after --to 2026-11-01"),
        (("--from", "24.11.2026"), "is no day like 2026-11-24"),
        (("--from", "2026-11-31"), "is no day like 2026-11-24"),
        (("--tariff", "nonesuch"), "there are: sms-2006, "),
        (("--tariff", "sms-2006", "--tariff", "sms-2006"), "sms-2006 is there twice"),
        (("--tariff", "nonesuch.toml"), "nonesuch.toml: No such file"),
        (("--played-as", "2008"), "is no period like 2008-01-01/2008-03-31"),
        (("--played-as", "2008-03-31/2008-01-01"), "a period ends"),
        (("--by", "weather"), "'weather' is not one of"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    """Nothing is tried, not even a connection; the message says what there is."""
    result = cost(f"postgresql://127.0.0.1:{free_port()}/none", *arguments)
    assert (result.exit_code, result.stdout) == (EXIT_USAGE, "")
    assert said in result.stderr


def test_a_malformed_tariff(tmp_path: Path) -> None:
    """The file, the field and the fault."""
    file = tmp_path / "ours.toml"
    file.write_text(SMS.replace('"0.10"', '"-1"'))
    result = cost("postgresql:///none", "--tariff", str(file))
    assert result.exit_code == EXIT_USAGE
    assert f"{file}: tariff ours: sms.up: must be 0 to" in result.stderr


def test_a_folder_of_ones_own(database_dsn: str, prices: tuple[str, ...], tmp_path: Path) -> None:
    """Is billed beside the shipped ones; one that is not there is an error."""
    del prices
    folder = {"GATEWAY_COST__TARIFFS": str(tmp_path)}
    tariffs = [line["tariff"] for line in bill(database_dsn, *NOVEMBER, **folder)["lines"]]
    assert {"old", "new", "sms-2006"} <= set(tariffs)
    missing = cost(database_dsn, GATEWAY_COST__TARIFFS=str(tmp_path / "none"))
    assert (missing.exit_code, "none: No such file" in missing.stderr) == (EXIT_USAGE, True)


def test_a_setting_that_ends_before_it_begins(database_dsn: str) -> None:
    """Names the setting."""
    wrong = {"GATEWAY_COST__PLAYED_AS": "2008-03-31/2008-01-01"}
    result = cost(database_dsn, **wrong)
    assert (result.exit_code, "cost.played_as" in result.stderr) == (EXIT_USAGE, True)


def test_the_database_is_away_or_empty(empty_database_dsn: str) -> None:
    """The codes of the other commands."""
    away = cost(f"postgresql://127.0.0.1:{free_port()}/none")
    assert (away.exit_code, "database" in away.stderr) == (EXIT_UNREACHABLE, True)
    empty = cost(empty_database_dsn)
    assert (empty.exit_code, "gateway migrate" in empty.stderr) == (EXIT_FAILED, True)


def test_help_teaches() -> None:
    """Examples to copy, and what the figures are."""
    text = cost("", "--help").stdout
    assert "gateway cost --from 2026-11-01 --to 2026-11-24 --by street" in text
    assert "docs/cost-model.md" in text
