"""`gateway tasks`, run as people run it."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from tests.helpers.served_gateway import Look, register
from tests.helpers.task_requests import request_body

HEADING = "task\trequest\tdevice\tkind\tstate\tattempts\texpires_at\tanswer\ttext"
VERIFY = ("--kind", "verify", "--device", "1", "--text", "核实井盖")


@pytest.fixture
def dsn(database_dsn: str) -> str:
    """A database with devices 1 to 3."""
    asyncio.run(register(database_dsn))
    return database_dsn


def gateway(*arguments: str, dsn: str, stdin: bytes | None = None) -> Result:
    """Run `gateway tasks ...` against this database."""
    environment = {"GATEWAY_DATABASE__DSN": dsn}
    return CliRunner().invoke(
        main, ["tasks", *arguments], env=environment, input=stdin, catch_exceptions=False
    )


def listed(dsn: str, *options: str) -> list[list[str]]:
    """The cells of the list below its heading."""
    heading, *lines = gateway("list", *options, dsn=dsn).stdout.splitlines()
    assert heading == HEADING
    return [line.split("\t") for line in lines]


def test_send_with_options(dsn: str) -> None:
    """The id is printed, chosen or given; asking twice makes one task."""
    result = gateway("send", *VERIFY, dsn=dsn)
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(r"[0-9a-f-]{36}\t1\n", result.stdout)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    options = [
        *("--id", "r1", "--kind", "check", "--all", "--text", "t", "--case", "C-1"),
        *("--grid", "44030700300101", "--lat", "22.5", "--lon", "114"),
        *("--picture", "p1", "--picture", "p2"),
        *("--not-before", "2026-01-01T00:00:00+08:00", "--expires-at", until),
    ]
    assert gateway("send", *options, dsn=dsn).stdout == "r1\t3\n"
    assert gateway("send", *options, dsn=dsn).stdout == "r1\tdone before\n"
    rows = listed(dsn, "--request", "r1")
    assert [row[:6] for row in rows] == [
        [str(n + 1), "r1", str(n), "check", "queued", "0"] for n in (1, 2, 3)
    ]


def test_life_by_default_and_in_hours(dsn: str) -> None:
    """A day, or what is said."""
    gateway("send", *VERIFY, dsn=dsn)
    gateway("send", *VERIFY, "--expires-in", "6", dsn=dsn)
    query = "SELECT expires_at - issued_at FROM task ORDER BY number"
    rows = asyncio.run(Look(dsn).rows(query))
    assert [round(row[0].total_seconds() / 3_600) for row in rows] == [24, 6]


def test_send_a_file(dsn: str) -> None:
    """As a workflow service writes it."""
    result = gateway("send", "--file", "-", dsn=dsn, stdin=request_body("r9"))
    assert result.stdout == "r9\t1\n"


@pytest.mark.parametrize(
    "options, fault",
    [
        (("--kind", "verify", "--device", "1"), "Object missing required field `text`"),
        (("--kind", "verify", "--text", "t"), 'to: exactly one of "device"'),
        ((*VERIFY, "--all"), 'to: exactly one of "device"'),
        ((*VERIFY, "--grid", "1"), "grid: "),
        ((*VERIFY, "--lat", "1"), "position.lon: Expected `float`, got `null`"),
        ((*VERIFY, "--not-before", "soon"), "not_before: Invalid RFC3339"),
        ((*VERIFY, "--expires-in", "1", "--expires-at", "x"), "say the same"),
        (("--file", "-", "--all"), "no other option"),
    ],
)
def test_a_request_that_is_none(dsn: str, options: tuple[str, ...], fault: str) -> None:
    """Wrong usage: the field is named, and nothing was tried."""
    result = gateway("send", *options, dsn=dsn, stdin=b"{}")
    assert (result.exit_code, result.stdout) == (EXIT_USAGE, "")
    assert fault in result.stderr
    assert listed(dsn) == []


def test_a_request_that_is_refused(dsn: str) -> None:
    """It was tried: nobody there."""
    result = gateway("send", "--kind", "notice", "--device", "9", "--text", "t", dsn=dsn)
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "")
    assert result.stderr == "gateway: to: device 9 is not registered, or revoked\n"


def test_cancel_and_show(dsn: str) -> None:
    """All that happened, with its time; taking back twice says so."""
    gateway("send", "--id", "r1", *VERIFY, dsn=dsn)
    assert gateway("cancel", "r1", "--reason", "已解决", dsn=dsn).stdout == "cancelled: 1\n"
    assert gateway("cancel", "r1", dsn=dsn).stdout == "cancelled: done before\n"
    assert gateway("cancel", "r2", dsn=dsn).exit_code == EXIT_FAILED
    assert gateway("cancel", "r 2", dsn=dsn).exit_code == EXIT_USAGE
    lines = gateway("show", "r1", dsn=dsn).stdout.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["task", "device", "what", "answer", "text"],
        ["", "", "request accepted", "", ""],
        ["", "", "cancel accepted", "", "已解决"],
        ["", "", "cancel repeated", "", ""],
        ["1", "1", "queued", "", ""],
        ["1", "1", "cancelled", "", ""],
    ]
    assert [row[4] for row in listed(dsn, "--state", "cancelled", "--device", "1")] == ["cancelled"]
    assert listed(dsn, "--state", "queued") == []


def test_show_nothing(dsn: str) -> None:
    """An id that nobody used."""
    result = gateway("show", "r1", dsn=dsn)
    assert (result.exit_code, result.stderr) == (EXIT_FAILED, "gateway: there is no request r1\n")


def test_without_a_database(empty_database_dsn: str) -> None:
    """No schema and no server are told apart."""
    result = gateway("list", dsn=empty_database_dsn)
    assert (result.exit_code, "gateway migrate" in result.stderr) == (EXIT_FAILED, True)
    result = gateway("list", dsn="postgresql://u@127.0.0.1:1/d")
    assert result.exit_code == EXIT_UNREACHABLE


def test_the_request_is_what_a_workflow_service_sends(dsn: str) -> None:
    """What the options make is accepted as a file: the two ways are one."""
    body = json.loads(request_body("same"))
    gateway("send", "--file", "-", dsn=dsn, stdin=json.dumps(body).encode())
    target, text, until = str(body["to"]["device"]), body["text"], body["expires_at"]
    options = ("--id", "same", "--kind", body["kind"], "--device", target, "--text", text)
    result = gateway("send", *options, "--expires-at", until, dsn=dsn)
    assert result.stdout == "same\tdone before\n"
