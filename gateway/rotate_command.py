"""`gateway devices rotate`: new secrets for handsets; the old ones are void at once."""

import csv
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

import click

from gateway.command import EXIT_FAILED, EXIT_USAGE, fail, load_or_exit, with_pool
from gateway.devices import DeviceFileError, Devices, read_secrets
from gateway.protocol.limits import MAX_DEVICE_ID
from gateway.protocol.proof import derive_keys, mqtt_password

SECRET_BYTES: Final = 16
"""128 random bits."""

OWNER_ALONE: Final = 0o600
"""Rights of a file with secrets."""

DeviceId = click.IntRange(1, MAX_DEVICE_ID)


@click.command()
@click.argument("device", type=DeviceId, nargs=-1)
@click.option(
    "--secret-file",
    type=click.File(encoding="utf-8"),
    help="Take the secrets from this CSV file with the columns device,secret; - is stdin.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write device,secret,mqtt_password to this new CSV file, which its owner alone can read.",
)
@click.pass_obj
def rotate(
    settings_file: Path | None,
    device: tuple[int, ...],
    secret_file: TextIO | None,
    out: Path | None,
) -> None:
    """Give DEVICE (one or more numbers) a new secret; the old one is void at once.

    Its sessions end within seconds, at every gateway: it comes back with the new secret. Of one
    DEVICE the secret is printed, this once; of several it is written to a file with --out. Over
    MQTT the broker lets in who has the old password until it gets the new one. A revoked device
    stays revoked. What it has sent stays.

    All or none: exit code 1 if one of them is not registered. If the database does not answer (exit
    code 3), the file of --out is kept: give it to --secret-file later. That is harmless to repeat.
    """
    new = _chosen(device, secret_file)
    if len(new) > 1 and secret_file is None and out is None:
        fail("the secrets of several devices need a file: --out FILE", EXIT_USAGE)
    settings = load_or_exit(settings_file)
    keys = {number: derive_keys(secret) for number, secret in new.items()}
    if out is not None:
        # Before the database knows of them, and kept if it is not known whether it does: no device
        # is left with a secret that nobody has.
        _write(out, new)
    unknown = with_pool(settings, lambda pool: Devices(pool).rotate(keys))
    if unknown:
        if out is not None:
            out.unlink()
        fail(f"not registered: {', '.join(map(str, unknown))}; none was rotated", EXIT_FAILED)
    if out is None and secret_file is None:
        print_secret(*next(iter(new.items())))
    else:
        click.echo(f"rotated: {', '.join(map(str, sorted(new)))}")


def new_secret() -> bytes:
    """A secret for one device."""
    return secrets.token_bytes(SECRET_BYTES)


def print_secret(device: int, secret: bytes) -> None:
    """To stdout, with the broker's password that follows from it."""
    click.echo(f"device         {device}")
    click.echo(f"secret         {secret.hex()}")
    click.echo(f"mqtt_password  {mqtt_password(secret)}")


def _chosen(devices: tuple[int, ...], secret_file: TextIO | None) -> Mapping[int, bytes]:
    """The new secrets: made here, or out of a file."""
    if (secret_file is None) == (not devices):
        fail("give either device numbers or --secret-file", EXIT_USAGE)
    if secret_file is None:
        return {device: new_secret() for device in devices}
    try:
        chosen = dict(read_secrets(secret_file))
    except (DeviceFileError, UnicodeDecodeError) as error:
        fail(f"{secret_file.name}: {error}", EXIT_USAGE)
    if not chosen:
        fail(f"{secret_file.name}: no device in it", EXIT_USAGE)
    return chosen


def _write(path: Path, new: Mapping[int, bytes]) -> None:
    """A new file, on disk when this returns; one that is there stays as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["device", "secret", "mqtt_password"])
            writer.writerows(
                (device, secret.hex(), mqtt_password(secret)) for device, secret in new.items()
            )
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        fail(f"--out {path}: {error.strerror}", EXIT_USAGE)
