"""`gateway devices`: register, import, revoke and list handsets."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TextIO, TypeVar

import click

from gateway.command import (
    EXIT_FAILED,
    EXIT_USAGE,
    fail,
    load_or_exit,
    with_pool,
)
from gateway.devices import DeviceFileError, Devices, NewDevice, read_device_file
from gateway.protocol.limits import MAX_DEVICE_ID
from gateway.protocol.proof import derive_keys, mqtt_password
from gateway.reference import load_tables

SECRET_BYTES: Final = 16
"""128 random bits."""

T = TypeVar("T")
DeviceId = click.IntRange(1, MAX_DEVICE_ID)


@click.group()
def devices() -> None:
    """Register handsets, import and list them, and shut stolen ones out."""


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
    secret = secrets.token_bytes(SECRET_BYTES)
    new = NewDevice(device, derive_keys(secret), label, street)
    if not _with_devices(settings_file, lambda registry: registry.add([new])):
        fail(f"device {device} is registered already", EXIT_FAILED)
    click.echo(f"device         {device}")
    click.echo(f"secret         {secret.hex()}")
    click.echo(f"mqtt_password  {mqtt_password(secret)}")


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

    What it has sent stays. Exit code 1 if one of them is not registered.
    """
    revoked = _with_devices(settings_file, lambda registry: registry.revoke(device))
    click.echo(f"revoked: {', '.join(map(str, revoked)) or 'none'}")
    unknown = sorted(set(device) - set(revoked))
    if unknown:
        fail(f"not registered: {', '.join(map(str, unknown))}", EXIT_FAILED)


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


def _with_devices(settings_file: Path | None, work: Callable[[Devices], Awaitable[T]]) -> T:
    """Open the registry, do the work, close it; a database that is away ends the command."""
    return with_pool(load_or_exit(settings_file), lambda pool: work(Devices(pool)))
