"""Tests of the durable outbox."""

import sqlite3
from pathlib import Path

import pytest

from device_sim.outbox import Outbox, OutboxMismatchError, Position, State, Totals
from tests.helpers.builders import build_reports

DEVICE, INSTALLATION = 7, 40
IDENTITY = {"seed": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "outbox.sqlite"


def begun(path: Path, count: int = 5) -> Outbox:
    """An outbox with one handset that has written some reports."""
    outbox = Outbox(path, IDENTITY)
    outbox.begin(DEVICE, INSTALLATION)
    outbox.add(DEVICE, INSTALLATION, 1, build_reports(count))
    return outbox


def test_what_was_added_survives_without_closing(path: Path) -> None:
    """As after kill -9: nothing was flushed or closed, and everything is there."""
    begun(path)
    resumed = Outbox(path, IDENTITY)
    assert resumed.unsettled(DEVICE, INSTALLATION) == build_reports(5)
    assert resumed.position(DEVICE) == Position(INSTALLATION, 1, 6, 5)


def test_a_device_that_never_began_has_no_position(path: Path) -> None:
    """And nothing unsettled."""
    outbox = Outbox(path, IDENTITY)
    assert outbox.position(DEVICE) is None
    assert outbox.unsettled(DEVICE, INSTALLATION) == []


def test_marks_are_written_by_a_flush(path: Path) -> None:
    """Before it the file says unsettled, which is safe; after it what is true."""
    outbox = begun(path)
    outbox.note_sent(DEVICE, INSTALLATION, build_reports(3))
    outbox.note_sent(DEVICE, INSTALLATION, build_reports(1))
    outbox.note_settled(DEVICE, INSTALLATION, 1)
    outbox.note_settled(DEVICE, INSTALLATION, 2, code=41)
    assert outbox.marks == 3
    assert len(Outbox(path, IDENTITY).unsettled(DEVICE, INSTALLATION)) == 5
    outbox.flush()
    assert outbox.marks == 0
    found = [(e.state, e.transmissions, e.code) for e in Outbox(path, IDENTITY).entries()]
    assert found == [
        (State.ACKED, 2, None),
        (State.REFUSED, 1, 41),
        (State.UNSETTLED, 1, None),
        (State.UNSETTLED, 0, None),
        (State.UNSETTLED, 0, None),
    ]
    assert outbox.totals() == Totals(written=5, acked=1, refused=1, transmissions=4)


def test_a_file_is_new_once(path: Path) -> None:
    """A run that cannot be resumed asks for that."""
    assert Outbox(path, IDENTITY).is_new
    assert not Outbox(path, IDENTITY).is_new


def test_closing_writes_the_marks(path: Path) -> None:
    """The next run sees them."""
    outbox = begun(path, 1)
    outbox.note_settled(DEVICE, INSTALLATION, 1)
    outbox.close()
    assert Outbox(path, IDENTITY).unsettled(DEVICE, INSTALLATION) == []


def test_renumbering_moves_what_is_unsettled_and_keeps_the_record_of_a_refusal(path: Path) -> None:
    """A refused number stays where it was refused; its report goes on under the new one."""
    outbox = begun(path, 3)
    outbox.note_settled(DEVICE, INSTALLATION, 1)
    outbox.note_settled(DEVICE, INSTALLATION, 2, code=48)
    outbox.flush()
    assert outbox.conflicting(DEVICE, INSTALLATION) == build_reports(3)[1:2]
    outbox.renumber(DEVICE, INSTALLATION, 90, [(2, 1), (3, 2)])
    assert outbox.position(DEVICE) == Position(90, 2, 3, 3)
    assert outbox.conflicting(DEVICE, 90) == []
    found = [(e.installation, e.report.sequence, e.state) for e in outbox.entries()]
    assert found == [
        (INSTALLATION, 1, State.ACKED),
        (INSTALLATION, 2, State.REFUSED),
        (90, 1, State.UNSETTLED),
        (90, 2, State.UNSETTLED),
    ]
    assert outbox.totals().written == 3


def test_entries_come_in_the_order_of_the_key(path: Path) -> None:
    """Whatever the order of writing was."""
    outbox = begun(path, 2)
    outbox.begin(3, 9)
    outbox.add(3, 9, 1, build_reports(1))
    assert [entry.device for entry in outbox.entries()] == [3, 7, 7]


def test_a_file_of_another_run_is_refused(path: Path) -> None:
    """The message names what differs."""
    Outbox(path, IDENTITY).close()
    with pytest.raises(OutboxMismatchError, match="seed is 1 there and 2 here"):
        Outbox(path, {"seed": "2"})


def test_a_foreign_database_is_refused(path: Path) -> None:
    """It is not written to."""
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.commit()
    with pytest.raises(OutboxMismatchError, match="format is not stated"):
        Outbox(path, IDENTITY)


def test_a_file_that_is_no_database_is_an_error(path: Path) -> None:
    """SQLite says so."""
    path.write_text("no database, but long enough to be taken for one" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        Outbox(path, IDENTITY)
