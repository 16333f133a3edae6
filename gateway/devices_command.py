"""`gateway devices`: register, import, revoke, restore and list handsets; `rotate` in its file."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

import click

from gateway.command import (
    EXIT_FAILED,
    EXIT_USAGE,
    fail,
    load_or_exit,
    with_pool,
)
from gateway.devices import DeviceFileError, Devices, NewDevice, read_device_file
from gateway.protocol.proof import derive_keys
from gateway.reference import load_tables
from gateway.rotate_command import DeviceId, new_secret, print_secret, rotate

T = TypeVar("T")


@click.group()
def devices() -> None:
    """Register handsets, import and list them, shut stolen ones out, give them new secrets."""


devices.add_command(rotate)


@devices.command()
@click.argument("device", type=DeviceId)
@click.option("--street", type=int, help="Code of its street, 9 digits (440307003).")
@click.option("--label", default="", help="What people call it.")
@click.pass_obj
def add(settings_file: Path | None, device: int, street: int | None, label: str) -> None:
    """Register handset number DEVICE and print its secret, which is shown only this once.

    The secret goes into the handset; its MQTT password, derived from it, into the broker. Exit
    code 1 if the number is taken.
    """
    if street is not None and not any(
        street in edition.streets for edition in load_tables().editions.values()
    ):
        fail(f"--street {street}: no such street; see gateway/data/streets.csv", EXIT_USAGE)
    secret = new_secret()
    new = NewDevice(device, derive_keys(secret), label, street)
    if not _with_devices(settings_file, lambda registry: registry.add([new])):
        fail(f"device {device} is registered already", EXIT_FAILED)
    print_secret(device, secret)


@devices.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.pass_obj
def import_(settings_file: Path | None, file: TextIO) -> None:
    """Register all handsets of a CSV FILE with the columns device,secret,label,street.

    `secret` is hexadecimal, at least 16 bytes; `label` and `street` may be missing. All or none are
    registered; those already known stay as they are.
    """
    try:
        new = list(read_device_file(file))
    except (DeviceFileError, UnicodeDecodeError) as error:
        fail(f"{file.name}: {error}", EXIT_USAGE)
    added = _with_devices(settings_file, lambda registry: registry.add(new))
    click.echo(f"{len(added)} registered, {len(new) - len(added)} known already")


@devices.command()
@click.argument("device", type=DeviceId, nargs=-1, required=True)
@click.pass_obj
def revoke(settings_file: Path | None, device: tuple[int, ...]) -> None:
    """Shut out DEVICE (one or more numbers): it is not admitted any more.

    Its sessions end within seconds, at every gateway. What it has sent stays. Over MQTT the gateway
    refuses what it sends; take its password from the broker as well. Harmless to repeat; `restore`
    undoes it. Exit code 1 if one of them is not registered: the others are revoked.
    """
    revoked = _with_devices(settings_file, lambda registry: registry.revoke(device))
    _tell("revoked", device, revoked)


@devices.command()
@click.argument("device", type=DeviceId, nargs=-1, required=True)
@click.pass_obj
def restore(settings_file: Path | None, device: tuple[int, ...]) -> None:
    """Admit DEVICE (one or more numbers) again after `revoke`, with the secret that it has.

    If somebody else may have had it in his hands, `rotate` it first. Harmless to repeat. Exit code
    1 if one of them is not registered: the others are restored.
    """
    restored = _with_devices(settings_file, lambda registry: registry.restore(device))
    _tell("restored", device, restored)


@devices.command("list")
@click.pass_obj
def list_(settings_file: Path | None) -> None:
    """List all handsets as tab-separated lines with a heading."""
    click.echo("device\tstreet\tstate\tinstallations\tlast_seen\tlabel")
    for device in _with_devices(settings_file, lambda registry: registry.list()):
        state = "revoked" if device.revoked_at else "active"
        seen = device.last_seen_at.isoformat(timespec="seconds") if device.last_seen_at else ""
        fields: Sequence[object] = (
            device.device_id,
            device.street_code or "",
            state,
            device.installations,
            seen,
            device.label,
        )
        click.echo("\t".join(map(str, fields)))


def _tell(done: str, asked: Sequence[int], known: Sequence[int]) -> None:
    """What was done to whom; ends with exit code 1 if one is not registered."""
    click.echo(f"{done}: {', '.join(map(str, known)) or 'none'}")
    unknown = sorted(set(asked) - set(known))
    if unknown:
        fail(f"not registered: {', '.join(map(str, unknown))}", EXIT_FAILED)


def _with_devices(settings_file: Path | None, work: Callable[[Devices], Awaitable[T]]) -> T:
    """Open the registry, do the work, close it; a database that is away ends the command."""
    return with_pool(load_or_exit(settings_file), lambda pool: work(Devices(pool)))
