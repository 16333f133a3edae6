"""The crew's memory."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from chaos.crew_author import Author
from chaos.crew_claims import Claim, Frame, Kind
from chaos.crew_journal import Journal
from tests.helpers.builders import EDITION_2007, NOW, build_report

AUTHOR = Author(Random(1), EDITION_2007, NOW)
WHO = (1, 9)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new one."""
    with closing(Journal(tmp_path / "journal.sqlite")) as opened:
        yield opened


def good(number: int, accuracy_m: int = 8) -> Frame:
    """A report to be stored."""
    return AUTHOR.plain(build_report(sequence=number, accuracy_m=accuracy_m))


def bad(number: int | None, code: int, kind: Kind = Kind.REPORT) -> Frame:
    """Something to be refused."""
    body = b"bad %d" % (number or 0)
    return Frame(body, (Claim(number, kind, code, body, body),))


def opened(journal: Journal) -> list[tuple[int | None, bool]]:
    """Numbers of what is open, and whether an ack is enough."""
    return [(one.claim.sequence, one.is_sole) for one in journal.open_claims(1)]


def test_an_ack_settles_what_is_alone_under_its_number(journal: Journal) -> None:
    """And nothing else."""
    journal.add(*WHO, [good(1), good(2), good(2, accuracy_m=9), bad(3, 41), bad(None, 21)])
    assert opened(journal) == [(1, True), (2, False), (2, False), (3, False), (None, False)]
    journal.acked_through(*WHO, 3)
    assert opened(journal) == [(2, False), (2, False), (3, False), (None, False)]


def test_a_refusal_settles_what_was_to_get_it(journal: Journal) -> None:
    """By number and code; of a frame that is no message only the answer to it alone does."""
    journal.add(*WHO, [bad(3, 41), bad(4, 42), bad(5, 22, Kind.FRAME)])
    journal.refused(*WHO, [3, 5], 41)
    journal.refused(*WHO, [4], 43)
    journal.refused(*WHO, [5], 22)
    assert opened(journal) == [(4, False), (5, False)]


def test_what_was_refused_is_asked_for_alone(journal: Journal) -> None:
    """A good report whose number was refused is not believed to be stored because of an ack."""
    journal.add(*WHO, [good(1)])
    journal.refused(*WHO, [1], 45)
    journal.acked(*WHO, 1, 1)
    (claim,) = journal.open_claims(1)
    assert not claim.is_sole
    assert journal.is_acked(claim.row)
    journal.settle(claim.row, 45)
    assert opened(journal) == []


def test_writing_again_changes_nothing(journal: Journal) -> None:
    """The same content is the same claim; another installation is another one."""
    for _ in range(2):
        journal.add(*WHO, [good(1), bad(None, 21)])
    journal.add(1, 10, [good(1)])
    assert len(opened(journal)) == 3
    assert list(journal.installations(1)) == [10, 9]
    assert journal.contested(*WHO) == frozenset()


def test_what_is_sent_again_was_sent_before(journal: Journal) -> None:
    """A sample of nothing is nothing."""
    assert journal.sample(Random(1), *WHO, 5) == []
    journal.add(*WHO, [good(1), good(2), good(2, accuracy_m=9)])
    sample = journal.sample(Random(1), *WHO, 50)
    assert set(sample) == {good(1).body, good(2).body, good(2, accuracy_m=9).body}
    assert list(journal.numbers(*WHO)) == [2, 1]
    assert journal.contested(*WHO) == {2}


def test_it_outlives_its_process(tmp_path: Path) -> None:
    """What is written can be read without its having been closed."""
    writing = Journal(tmp_path / "journal.sqlite")
    writing.add(*WHO, [good(1)])
    writing.add_stray(*WHO, b"\0x")
    writing.acked_through(*WHO, 1)
    writing.acked_through(*WHO, 0)
    with closing(Journal(tmp_path / "journal.sqlite")) as reading:
        assert reading.rows("SELECT through FROM through") == [(1,)]
        assert reading.rows("SELECT bytes FROM stray") == [(b"\0x",)]
        assert opened(reading) == []
    writing.close()
