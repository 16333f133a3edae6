"""`gateway archive` against a real database."""

import asyncio
import signal
import subprocess
import sys

import asyncpg
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.archive import ArchiveBusyError, archive_of
from gateway.command import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from gateway.server_process import free_port
from tests.helpers.served_gateway import Look

REPORTS = """
WITH made AS (INSERT INTO device (id, stored_key, gateway_key)
    SELECT device, decode(repeat('00', 16), 'hex'), decode(repeat('00', 16), 'hex')
    FROM generate_series(1, {devices}) AS device)
INSERT INTO report (device_id, installation, sequence, grid, observed_at, class_code, street_code,
    lat_e5, lon_e5, accuracy_m, kind, urgency, patrol, transport, edition, pictures, simple,
    description, stored_at)
SELECT device, 1, sequence, 44030700300101, now(), 203, 440307003, 0, 0, 1, 'event', 'ordinary',
    'routine', 'tcp', 1, 0, true, '', now() - interval '900 days'
FROM generate_series(1, {devices}) AS device, generate_series(1, 4) AS sequence
RETURNING sequence
"""


def gateway(*arguments: str, dsn: str, **settings: str) -> Result:
    """Run the command in this process."""
    environment = {"GATEWAY_DATABASE__DSN": dsn}
    environment |= {f"GATEWAY_ARCHIVE__{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(
        main, ["archive", *arguments], env=environment, catch_exceptions=False
    )


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    """What a query returns."""
    return asyncio.run(Look(dsn).rows(query))


def counts(dsn: str) -> list[tuple[object, ...]]:
    """Rows of report and of its archive."""
    return rows(dsn, "SELECT (SELECT count(*) FROM report), (SELECT count(*) FROM report_archive)")


def test_dry_run_then_for_real(database_dsn: str) -> None:
    """The dry run tells what the real one does, and does nothing."""
    rows(database_dsn, REPORTS.format(devices=3))
    result = gateway("--dry-run", dsn=database_dsn)
    assert result.stdout == "report  12 rows to move\ntrack  0 rows to move\n"
    assert counts(database_dsn) == [(12, 0)]
    result = gateway(dsn=database_dsn)
    assert result.stdout == "report  12 rows moved\ntrack  0 rows moved\n"
    assert result.stderr == "report  12 rows moved so far\n"
    assert counts(database_dsn) == [(0, 12)]


def test_months_are_dropped_when_settings_say_so(database_dsn: str) -> None:
    """Nothing is dropped before; a dry run names the month."""
    rows(database_dsn, REPORTS.format(devices=1))
    gateway(dsn=database_dsn)
    keep = {"drop_reports_after_days": "730"}
    result = gateway("--dry-run", dsn=database_dsn, **keep)
    assert "report  report_archive_20" in result.stdout
    assert "to drop" in result.stdout
    assert counts(database_dsn) == [(0, 4)]
    assert " dropped\n" in gateway(dsn=database_dsn, **keep).stdout
    assert counts(database_dsn) == [(0, 0)]


def test_only_what_is_archived_can_be_dropped(database_dsn: str) -> None:
    """A keeping time at that of archiving is a wrong setting; one day more is right."""
    result = gateway(dsn=database_dsn, tracks_after_days="30", drop_tracks_after_days="30")
    assert result.exit_code == EXIT_USAGE
    assert "archive.drop_tracks_after_days" in result.stderr
    result = gateway(dsn=database_dsn, tracks_after_days="30", drop_tracks_after_days="31")
    assert result.exit_code == 0


def test_a_second_one_says_so(database_dsn: str) -> None:
    """Exit code 1 while another archiver is at work, and nothing is done."""

    # The command sets signal handlers, which only a main thread may.
    async def as_process() -> tuple[int, str]:
        async with archive_of(database_dsn):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "archive"),
                env={"GATEWAY_DATABASE__DSN": database_dsn},
                stderr=subprocess.PIPE,
            )
            _, told = await process.communicate()
            return process.returncode or 0, told.decode()

    code, told = asyncio.run(as_process())
    assert (code, told) == (EXIT_FAILED, "gateway: another archiver is at work\n")


def test_no_database() -> None:
    """Exit code 3: later it may work."""
    result = gateway(dsn=f"postgresql://nobody@127.0.0.1:{free_port()}/x")
    assert result.exit_code == EXIT_UNREACHABLE


def stopped(dsn: str, number: signal.Signals) -> tuple[int, str]:
    """The code and the words of an archiver that got a signal in the middle of its work."""

    async def run() -> tuple[int, str]:
        holder = await asyncpg.connect(dsn)
        held = holder.transaction()
        await held.start()
        # It comes as far as the second device, and waits there.
        await holder.execute("SELECT FROM report WHERE device_id = 2 FOR UPDATE")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "archive"),
            env={"GATEWAY_DATABASE__DSN": dsn},
            stdout=subprocess.PIPE,
        )
        look = await asyncpg.connect(dsn)
        async with asyncio.timeout(30):
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while not await look.fetchval(waiting):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.02)
        process.send_signal(number)
        if number is not signal.SIGKILL:
            await held.rollback()
        told, _ = await process.communicate()
        await holder.close()
        await look.close()
        return process.returncode or 0, told.decode()

    return asyncio.run(run())


def test_stopped_in_order(database_dsn: str) -> None:
    """SIGTERM lets the portion under way end; the next run does the rest."""
    rows(database_dsn, REPORTS.format(devices=3))
    code, told = stopped(database_dsn, signal.SIGTERM)
    assert (code, told.splitlines()[-1]) == (0, "stopped: the next run goes on from here")
    assert counts(database_dsn) == [(4, 8)]
    assert gateway(dsn=database_dsn).stdout.startswith("report  4 rows moved\n")


def test_killed(database_dsn: str) -> None:
    """A killed archiver leaves each row in one place; the next run does the rest."""
    rows(database_dsn, REPORTS.format(devices=3))
    stopped(database_dsn, signal.SIGKILL)

    async def wait_for_the_end() -> None:
        while True:
            try:
                async with archive_of(database_dsn):
                    return
            except ArchiveBusyError:  # until the server has noticed
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(wait_for_the_end(), 30))
    ((live, archived),) = counts(database_dsn)
    assert (live, archived) in {(8, 4), (4, 8)}
    gateway(dsn=database_dsn)
    assert counts(database_dsn) == [(0, 12)]
