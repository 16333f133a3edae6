"""The command line, as people and scripts use it: real processes, real PostgreSQL."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import click
import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.__main__ import main
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.demo_figures import figures_of
from gateway.devices import Devices, NewDevice
from gateway.embedded_postgres import EmbeddedPostgres
from gateway.protocol.errors import GoodbyeReason
from gateway.protocol.messages import Goodbye, Ping, Pong
from gateway.protocol.proof import derive_keys
from gateway.server_process import free_port
from gateway.store import open_pool
from gateway.tcp_server import RESTART_RETRY_SECONDS
from tests.helpers.databases import migrate_now
from tests.helpers.device_client import greeted, secret_of
from tests.helpers.gateway_process import gateway_process, run_gateway
from tests.helpers.wire import wire

COMMANDS = (
    (),
    ("serve",),
    ("migrate",),
    ("demo",),
    ("devices",),
    ("devices", "add"),
    ("devices", "import"),
    ("devices", "list"),
    ("devices", "restore"),
    ("devices", "revoke"),
    ("devices", "rotate"),
    ("tasks",),
    ("tasks", "cancel"),
    ("tasks", "list"),
    ("tasks", "send"),
    ("tasks", "show"),
)


@pytest.mark.parametrize(
    "command, line",
    [
        ((), "  Begin with:   gateway demo --reports 2000"),
        (("tasks", "send"), "  gateway tasks send --file request.json"),
    ],
)
def test_examples_stand_on_lines_of_their_own(command: tuple[str, ...], line: str) -> None:
    """Else nobody could copy them."""
    assert line in CliRunner().invoke(main, [*command, "--help"]).output.splitlines()


def register(dsn: str, *devices: int) -> None:
    """Register devices with the secrets of tests."""

    async def add() -> None:
        pool = await open_pool(dsn, size=1)
        await Devices(pool).add(
            [NewDevice(device, derive_keys(secret_of(device))) for device in devices]
        )
        await pool.close()

    asyncio.run(add())


def stored(dsn: str) -> list[tuple[int, int, int]]:
    """Keys of all reports."""

    async def read() -> list[tuple[int, int, int]]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch(
            "SELECT device_id, installation, sequence FROM report ORDER BY 1, 2, 3"
        )
        await connection.close()
        return [tuple(row) for row in rows]

    return asyncio.run(read())


def ready(http: str) -> tuple[int, dict[str, bool]]:
    """What `/readyz` says."""
    try:
        with urllib.request.urlopen(f"{http}/readyz") as response:  # noqa: S310 -- our own server
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def figures(http: str) -> dict[str, float]:
    """The metrics, summed up over their labels."""
    with urllib.request.urlopen(f"{http}/metrics") as response:  # noqa: S310 -- our own server
        return figures_of(response.read().decode())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(command: tuple[str, ...], option: str) -> None:
    """Every command explains itself, and each of its options."""
    result = CliRunner().invoke(main, [*command, option])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def commands_of(command: click.Command) -> Iterator[click.Command]:
    """A command and all below it."""
    yield command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from commands_of(below)


@pytest.mark.parametrize("command", list(commands_of(main)), ids=lambda command: command.name)
def test_everything_is_explained(command: click.Command) -> None:
    """Each command in its text, each option in its own, each argument by name in the text."""
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
        else:
            assert parameter.name
            assert parameter.name.upper() in command.help


def test_version() -> None:
    """For bug reports."""
    assert CliRunner().invoke(main, ["--version"]).stdout == f"gateway, version {__version__}\n"


def test_the_installed_program_and_the_module_are_the_same() -> None:
    """`gateway` and `python -m gateway`."""
    result = run_gateway("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage" in result.stdout


@pytest.mark.parametrize("arguments", [("nonsense",), ("serve", "--nonsense"), ("serve", "x")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """Exit code 2 and what is wrong with it."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == EXIT_USAGE
    assert "Error: " in result.stderr


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("devices", "list")])
def test_a_wrong_setting(command: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2 and the setting with the place that it comes from, in one line."""
    file = tmp_path / "gateway.toml"
    file.write_text("[tcp]\nport = 123456\n")
    result = CliRunner().invoke(main, ["--settings", str(file), *command])
    assert result.exit_code == EXIT_USAGE
    assert result.stderr == (
        f"gateway: setting tcp.port (file {file}): Expected `int` <= 65535\n"
    )  # fmt: skip


def test_a_settings_file_that_is_not_there() -> None:
    """Exit code 2."""
    result = CliRunner().invoke(main, ["--settings", "nowhere.toml", "serve"])
    assert result.exit_code == EXIT_USAGE
    assert "nowhere.toml" in result.stderr


def test_migrate(empty_database_dsn: str) -> None:
    """It says what it did; a repetition does nothing."""
    environment = {"GATEWAY_DATABASE__DSN": empty_database_dsn}
    runner = CliRunner()
    first = runner.invoke(main, ["migrate"], env=environment)
    assert first.exit_code == 0
    assert first.stdout.startswith("applied: 0001-reference, ")
    again = runner.invoke(main, ["migrate"], env=environment)
    assert (again.exit_code, again.stdout) == (0, "up to date\n")


@pytest.mark.parametrize("command", [("migrate",), ("serve", "--migrate"), ("devices", "list")])
def test_a_database_that_is_away(command: tuple[str, ...]) -> None:
    """A command that needs it now ends with its own exit code."""
    result = CliRunner().invoke(
        main,
        command,
        env={"GATEWAY_DATABASE__DSN": f"postgresql://u:geheim@127.0.0.1:{free_port()}/d"},
    )
    assert result.exit_code == EXIT_UNREACHABLE
    assert "cannot connect to the database" in result.stderr
    assert "geheim" not in result.stderr


def test_settings_from_file_and_environment(database_dsn: str, tmp_path: Path) -> None:
    """A process started with both listens where they say, and ends in order on SIGTERM."""
    file = tmp_path / "gateway.toml"
    file.write_text('name = "from the file"\n[log]\nlevel = "info"\n[tcp]\nport = 1\n')
    with gateway_process(
        database_dsn, tmp_path / "log", "serve", settings=str(file), name="from the variable"
    ) as gateway:
        line = gateway.wait_for("started")
        assert line["name"] == "from the variable"
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.end() == 0
        assert gateway.wait_for("stopped")["name"] == "from the variable"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(database_dsn: str, tmp_path: Path, number: signal.Signals) -> None:
    """What was received is committed and acked, then comes the goodbye; the exit code is 0."""
    register(database_dsn, 1)

    async def talk(address: tuple[str, int]) -> None:
        async with greeted(address) as client:
            await client.send(*(wire(sequence) for sequence in range(1, 101)))
            while figures(gateway.http).get("in_flight") != 100:
                await client.send(Ping())
                await client.expect(Pong)
            gateway.process.send_signal(number)
            await client.expect_acks_of(*range(1, 101))
            goodbye = Goodbye(GoodbyeReason.SHUTTING_DOWN, RESTART_RETRY_SECONDS)
            assert await client.expect_end() == ([], goodbye)

    # Left alone, it would wait for company for a minute.
    with gateway_process(database_dsn, tmp_path / "log", batch__linger_seconds="60") as gateway:
        asyncio.run(talk(gateway.wait_until_started().tcp))
        assert gateway.end() == 0
    assert stored(database_dsn) == [(1, 1, number) for number in range(1, 101)]


def test_a_signal_while_the_database_is_away(tmp_path: Path) -> None:
    """A gateway that waits for its database can be stopped."""
    dsn = f"postgresql://u@127.0.0.1:{free_port()}/d"
    with gateway_process(dsn, tmp_path / "log") as gateway:
        gateway.wait_for("database_away")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.end() == 0


def test_a_database_that_comes_later(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The gateway waits for it, starts by itself and takes reports."""
    migrate_now(own_postgres.dsn)
    register(own_postgres.dsn, 1)
    own_postgres.stop()

    async def talk(address: tuple[str, int]) -> None:
        async with greeted(address) as client:
            await client.send(wire(1))
            await client.expect_acks_of(1)

    with gateway_process(own_postgres.dsn, tmp_path / "log") as gateway:
        gateway.wait_for("database_away")
        own_postgres.start()
        asyncio.run(talk(gateway.wait_until_started().tcp))
        assert ready(gateway.http) == (200, {"database": True, "room": True})
        own_postgres.stop()
        assert ready(gateway.http) == (503, {"database": False, "room": True})


@pytest.mark.parametrize("port", ["tcp__port", "http__port"])
def test_a_port_that_is_taken(database_dsn: str, tmp_path: Path, port: str) -> None:
    """Exit code 1 and the port in one line, no traceback."""
    with gateway_process(database_dsn, tmp_path / "first") as first:
        first.wait_until_started()
        taken = str(first.tcp[1]) if port == "tcp__port" else first.http.rpartition(":")[2]
        with gateway_process(database_dsn, tmp_path / "second", **{port: taken}) as second:
            assert second.end() == EXIT_FAILED
            assert "Traceback" not in second.log
            (line,) = [line for line in second.log.splitlines() if line.startswith("gateway: ")]
            assert taken in line
            assert "address already in use" in line


def test_serve_with_migrate(empty_database_dsn: str, tmp_path: Path) -> None:
    """One command is enough for a new database."""
    with gateway_process(empty_database_dsn, tmp_path / "log", "serve", "--migrate") as gateway:
        gateway.wait_until_started()
        register(empty_database_dsn, 1)
