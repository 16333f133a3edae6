"""`gateway tasks`: ask inspectors for something, take it back, and see what became of it."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, get_args

import click
import msgspec

from gateway.command import (
    EXIT_FAILED,
    EXIT_USAGE,
    fail,
    load_or_exit,
    with_pool,
)
from gateway.events import TaskState
from gateway.protocol.limits import MAX_DEVICE_ID, MAX_TASK_CHARACTERS
from gateway.task_request import (
    Asked,
    Cancellation,
    Kind,
    TaskRequest,
    TaskRequestError,
    decode_cancellation,
    decode_request,
)
from gateway.task_work import RequestVerdict
from gateway.tasks import Tasks

DEFAULT_LIFE_HOURS: Final = 24.0
"""Long enough for the next shift, short enough not to be forgotten."""

T = TypeVar("T")
AskedFor = TypeVar("AskedFor", TaskRequest, Cancellation)
DeviceId = click.IntRange(1, MAX_DEVICE_ID)


@click.group()
def tasks() -> None:
    """Ask inspectors to verify a report or check a repair, send notices, see what became of them.

    Workflow services do the same over the broker: docs/operations.md, "Tasks".
    """


@tasks.command()
@click.option(
    "--id",
    "request_id",
    help="The request's own id; asking twice under it makes one. Default: a random one.",
)
@click.option("--kind", type=click.Choice(get_args(Kind)), help="核实, 核查, or a text to read.")
@click.option("--device", type=DeviceId, help="For this one handset.")
@click.option("--street", help="For all handsets of a street, by its 9 digits (440307003).")
@click.option("--all", "everybody", is_flag=True, help="For all handsets.")
@click.option("--text", help=f"What the inspector reads, up to {MAX_TASK_CHARACTERS} characters.")
@click.option("--case", help="Case number.")
@click.option("--grid", help="Unit grid, 14 or 15 digits.")
@click.option("--lat", type=float, help="Latitude in degrees, with --lon.")
@click.option("--lon", type=float, help="Longitude in degrees.")
@click.option("--picture", multiple=True, help="Address of a picture; up to nine times.")
@click.option("--not-before", help="Not before 2026-12-01T08:00:00+08:00.")
@click.option("--expires-at", help="Over from then on.")
@click.option("--expires-in", type=float, help="The same in hours from now. Default: 24.")
@click.option("--supersedes", help="Id of an earlier request, whose open tasks end.")
@click.option("--file", type=click.File("rb"), help="A request in JSON instead; - is stdin.")
@click.pass_obj
def send(settings_file: Path | None, /, file: BinaryIO | None, **options: Any) -> None:
    """Ask for tasks, one for each handset meant. Prints the request's id and their number.

    \b
    gateway tasks send --kind verify --device 4403070001 --text "核实人民路口井盖缺失" --case C-17
    gateway tasks send --kind notice --all --text "暴雨橙色预警" --expires-in 6
    gateway tasks send --file request.json

    Handsets that are offline get it when they greet. Exit code 1 if it is refused: an id that is
    used, nobody there, a time that is past.
    """  # noqa: D301 - click's mark of lines to be left as they are is a real backspace
    if file and any(options.values()):
        fail("--file holds the whole request: no other option goes with it", EXIT_USAGE)
    if options["expires_at"] and options["expires_in"]:
        fail("--expires-at and --expires-in say the same: give one", EXIT_USAGE)
    request = _decoded(decode_request, file.read() if file else _body(options))
    _ask(settings_file, request, f"{request.id}\t{{0}}")


@tasks.command()
@click.argument("request")
@click.option("--reason", default="", help="For the record.")
@click.pass_obj
def cancel(settings_file: Path | None, request: str, reason: str) -> None:
    """Take back the open tasks of REQUEST, an id.

    Handsets that have them are told. Exit code 1 if there is no such request, or nothing is open.
    """
    body = msgspec.json.encode({"id": request, "reason": reason})
    _ask(settings_file, _decoded(decode_cancellation, body), "cancelled: {0}")


@tasks.command("list")
@click.option("--state", type=click.Choice(get_args(TaskState)), help="Only in this state.")
@click.option("--device", type=DeviceId, help="Only of this handset.")
@click.option("--request", help="Only of the request with this id.")
@click.pass_obj
def list_(
    settings_file: Path | None, state: str | None, device: int | None, request: str | None
) -> None:
    """List tasks as tab-separated lines with a heading."""
    click.echo("task\trequest\tdevice\tkind\tstate\tattempts\texpires_at\tanswer\ttext")
    for task in _with_tasks(settings_file, lambda table: table.list(state, device, request)):
        _echo(
            task.number,
            task.request,
            task.device_id,
            task.kind,
            task.state,
            task.attempts,
            task.expires_at.isoformat(timespec="seconds"),
            task.answer or "",
            task.answer_text or "",
        )


@tasks.command()
@click.argument("request")
@click.pass_obj
def show(settings_file: Path | None, request: str) -> None:
    """Show all that happened to REQUEST, an id, and its tasks, oldest first.

    Exit code 1 if nothing is known of it.
    """
    verdicts, changes = _with_tasks(settings_file, lambda table: table.history(request))
    if not verdicts:
        fail(f"there is no request {request}", EXIT_FAILED)
    click.echo("at\ttask\tdevice\twhat\tanswer\ttext")
    for verdict in verdicts:
        fate = "repeated" if verdict.repeated else "accepted" if verdict.accepted else "refused"
        _echo(_moment(verdict.at), "", "", f"{verdict.action} {fate}", "", verdict.reason)
    for change in changes:
        what = "late answer" if change.late_answer else change.state
        answer, text = change.answer or "", change.answer_text or ""
        _echo(_moment(change.at), change.task, change.device_id, what, answer, text)


def _body(options: dict[str, Any]) -> bytes:
    """The options as the JSON that a workflow service would send; what is missing is left out."""
    lat, lon = options["lat"], options["lon"]
    target = {
        "device": options["device"],
        "street": options["street"],
        "all": options["everybody"] or None,
    }
    values = {
        "id": options["request_id"] or str(uuid.uuid4()),
        "kind": options["kind"],
        "to": {name: value for name, value in target.items() if value is not None},
        "text": options["text"],
        "case_number": options["case"],
        "grid": options["grid"],
        "position": None if lat is None and lon is None else {"lat": lat, "lon": lon},
        "pictures": list(options["picture"]) or None,
        "not_before": options["not_before"],
        "expires_at": options["expires_at"] or _hours_ahead(options["expires_in"]),
        "supersedes": options["supersedes"],
    }
    return msgspec.json.encode({name: value for name, value in values.items() if value is not None})


def _hours_ahead(hours: float | None) -> datetime:
    life = timedelta(hours=DEFAULT_LIFE_HOURS if hours is None else hours)
    return datetime.now(UTC) + life


def _decoded(decode: Callable[[bytes], AskedFor], body: bytes) -> AskedFor:
    try:
        return decode(body)
    except TaskRequestError as error:
        fail(str(error), EXIT_USAGE)


def _ask(settings_file: Path | None, asked: Asked, done: str) -> None:
    (verdict,) = _with_tasks(settings_file, lambda table: table.settle([asked]))
    if not isinstance(verdict, RequestVerdict):  # for the type checker
        raise TypeError
    if not verdict.accepted:
        fail(verdict.reason or "", EXIT_FAILED)
    click.echo(done.format("done before" if verdict.repeated else verdict.tasks))


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _echo(*fields: object) -> None:
    click.echo("\t".join(map(str, fields)))


def _with_tasks(settings_file: Path | None, work: Callable[[Tasks], Awaitable[T]]) -> T:
    """Open the table, do the work, close it; a database that is away ends the command."""
    settings = load_or_exit(settings_file)
    retry_seconds = settings.tasks.retry_seconds
    return with_pool(settings, lambda pool: work(Tasks(pool, retry_seconds=retry_seconds)))
