"""Choosing the account and the place of a server that root must not run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import unprivileged
from gateway.unprivileged import Account, account_for, popen_arguments, reachable_place

NOBODY = Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches accounts")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch, place: Path) -> Iterator[Path]:
    """A directory only we can enter; what has to lie elsewhere goes under the session's place."""
    monkeypatch.setattr(unprivileged, "SYSTEM_PLACES", ("/proc/impossible", str(place / "moved")))
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(name)
    shutil.rmtree(place / "moved", ignore_errors=True)


def test_an_ordinary_user_needs_no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who is not root runs the server as himself."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_for(tmp_path) is None
    assert popen_arguments(None) == {}
    assert reachable_place(tmp_path / "new", None) == tmp_path / "new"


def test_root_becomes_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For data that do not exist yet."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert account_for(tmp_path / "none") == NOBODY


def test_a_machine_without_such_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names what was looked for."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(unprivileged, "ACCOUNT_NAMES", ("no-such-account",))
    with pytest.raises(LookupError, match="no-such-account"):
        account_for(tmp_path / "none")


@as_root
def test_data_stay_with_their_owner(tmp_path: Path) -> None:
    """What an ordinary user made, root runs as that user."""
    Account(1234, 4321).owns(tmp_path)
    assert account_for(tmp_path) == Account(1234, 4321)


@as_root
def test_the_program_runs_as_the_account_alone(place: Path) -> None:
    """User, group and no further groups."""
    done = subprocess.run(
        ["/bin/sh", "-c", "id -u; id -G"],
        cwd=place,
        capture_output=True,
        check=True,
        **popen_arguments(NOBODY),
    )
    assert done.stdout.split() == [b"%d" % NOBODY.uid, b"%d" % NOBODY.gid]


@as_root
def test_an_open_directory_is_used(place: Path) -> None:
    """Nothing moves without need."""
    assert reachable_place(place / "open", NOBODY) == (place / "open").resolve()


@as_root
def test_a_closed_directory_is_left_closed(closed: Path) -> None:
    """The contents go to the first place that can be made; a link tells where."""
    found = reachable_place(closed / "postgres", NOBODY)
    assert found.parent.name == "moved"
    assert NOBODY.can_enter(found)
    assert not NOBODY.can_enter(closed)
    assert (closed / "postgres" / "moved-to").resolve() == found


@as_root
def test_the_place_is_found_again(closed: Path) -> None:
    """Also when the directory was opened meanwhile: the data are where they are."""
    found = reachable_place(closed / "postgres", NOBODY)
    closed.chmod(0o755)
    assert reachable_place(closed / "postgres", NOBODY) == found
    assert account_for(closed / "postgres" / "moved-to" / "data") == NOBODY


@as_root
def test_a_lost_place_is_made_anew(closed: Path) -> None:
    """A link to nowhere does not stand in the way."""
    found = reachable_place(closed / "postgres", NOBODY)
    found.rmdir()
    assert reachable_place(closed / "postgres", NOBODY) == found
    assert found.is_dir()
