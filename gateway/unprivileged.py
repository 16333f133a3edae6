"""Running a program as somebody else than root, in a place that somebody can reach.

PostgreSQL refuses to run as root. A root user (a container, a fresh machine) therefore gets its
embedded PostgreSQL run under the account `nobody`; no user is added, and the permissions of no
existing directory are changed. What `nobody` cannot reach, because a parent directory is closed (a
clone under /root, a private temporary directory), is placed elsewhere instead: `reachable_place`.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

ACCOUNT_NAMES = ("nobody", "daemon")
"""Accounts every Unix has and that own nothing, in order of preference."""

SYSTEM_PLACES = ("/var/lib/field-gateway", "/var/tmp/field-gateway")  # noqa: S108 -- kept over reboots; root makes it
"""Where root puts what has to be reachable by everybody, in order of preference."""

POINTER = "moved-to"
"""Name of the link left in a directory whose contents had to be placed elsewhere."""


class PopenArguments(TypedDict, total=False):
    """What `subprocess.Popen` needs to switch the account; empty to keep ours."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group, by number."""

    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether this account can enter `directory`: tried, so that access lists count too."""
        trial = subprocess.run(  # noqa: S603 -- fixed command, the path is an argument
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)],
            cwd="/",
            check=False,
            stderr=subprocess.DEVNULL,
            **popen_arguments(self),
        )
        return trial.returncode == 0

    def owns(self, path: Path) -> None:
        """Make this account the owner of `path`, which we created."""
        os.chown(path, self.uid, self.gid)


def popen_arguments(account: Account | None) -> PopenArguments:
    """Arguments for `subprocess.Popen` that run the program as `account` alone, or as ourselves."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def account_for(owned: Path) -> Account | None:
    """The account to run a server as: None (ourselves) for an ordinary user.

    For root it is the owner of `owned`, if that exists, so that data made by an ordinary user stays
    usable by that user; else the first of `ACCOUNT_NAMES`.

    Raises:
        LookupError: there is no such account on this machine.
    """
    if os.geteuid() != 0:
        return None
    if owned.exists() and owned.stat().st_uid != 0:
        return Account(owned.stat().st_uid, owned.stat().st_gid)
    for name in ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(f"none of the accounts {', '.join(ACCOUNT_NAMES)} exists on this machine")


def reachable_place(directory: Path, account: Account | None) -> Path:
    """`directory`, created, or a place for its contents that `account` can enter.

    In the second case the contents go to a directory named after `directory`'s path under the first
    of `SYSTEM_PLACES` that can be made, and a link called `moved-to` in `directory` shows where.

    Raises:
        OSError: no place could be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pointer = directory / POINTER
    if pointer.is_dir():
        return pointer.resolve()
    if account is None or account.can_enter(directory):
        return directory.resolve()
    place = _system_place(directory.resolve(), account)
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(place, target_is_directory=True)
    return place


def _system_place(directory: Path, account: Account) -> Path:
    digest = hashlib.sha256(bytes(directory)).hexdigest()[:12]
    for parent in (*SYSTEM_PLACES, f"{tempfile.gettempdir()}/field-gateway"):
        place = Path(parent) / digest
        try:
            for made in (place.parent, place):
                made.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        if place.stat().st_uid == os.geteuid() and account.can_enter(place):
            return place
    raise OSError(f"no directory could be made that uid {account.uid} can enter, for {directory}")
