"""The command line: `gateway serve | migrate | devices | tasks | events | cost | archive | ...`."""

import asyncio
import signal
from pathlib import Path

import click

from gateway import __version__, observe
from gateway.app import serve as serve_gateway
from gateway.archive_command import archive
from gateway.collector import calm_collector
from gateway.command import load_or_exit, run_or_exit
from gateway.cost_command import cost
from gateway.demo_command import demo
from gateway.devices_command import devices
from gateway.events_command import events
from gateway.migrate import migrate as migrate_database
from gateway.settings import Settings
from gateway.settings_loader import FILE_VARIABLE
from gateway.tasks_command import tasks


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=FILE_VARIABLE,
    help="TOML file with settings. Environment variables GATEWAY_<SECTION>__<NAME> win over it.",
)
@click.version_option(__version__, prog_name="gateway")
@click.pass_context
def main(context: click.Context, settings_file: Path | None) -> None:
    """Field gateway: takes inspectors' reports from their handsets over TCP and MQTT and commits
    each exactly once in PostgreSQL before it is acknowledged.

    \b
    Begin with:   gateway demo --reports 2000
    For real:     gateway migrate; gateway devices add 4403070001; gateway serve

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage or setting, 3 a server cannot be reached.
    """  # noqa: D301 - click's mark of lines to be left as they are is a real backspace
    context.obj = settings_file


@main.command()
@click.option("--migrate/--no-migrate", default=False, help="Bring the schema up to date first.")
@click.pass_obj
def serve(settings_file: Path | None, *, migrate: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    On SIGTERM it stops accepting, commits and acknowledges what it has received, says goodbye to
    the handsets and ends. What cannot be committed within `drain_timeout_seconds` is not
    acknowledged, and the handsets send it again.
    """
    settings = load_or_exit(settings_file)
    observe.configure_logging(settings.log.format, settings.log.level)
    if migrate:
        run_or_exit(migrate_database(settings.database.dsn))
    run_or_exit(_serve_until_signal(settings))


@main.command()
@click.pass_obj
def migrate(settings_file: Path | None) -> None:
    """Bring the database's schema and code tables up to date. Harmless to repeat."""
    settings = load_or_exit(settings_file)
    applied = run_or_exit(migrate_database(settings.database.dsn))
    click.echo(f"applied: {', '.join(applied)}" if applied else "up to date")


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_gateway(settings, stop, lambda _addresses: calm_collector())


main.add_command(devices)
main.add_command(tasks)
main.add_command(events)
main.add_command(cost)
main.add_command(archive)
main.add_command(demo)

if __name__ == "__main__":
    main()
