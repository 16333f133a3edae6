"""What misbehaving handsets think of."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from chaos.crew_author import Author
from chaos.crew_ideas import IDEAS
from chaos.crew_journal import Journal
from chaos.crew_member import BAD_ITEMS, Member, World
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_FRAME_BYTES, MAX_SEQUENCE
from gateway.reference import load_tables
from tests.helpers.builders import NOW

TABLES = load_tables()


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    """A handset that has sent nothing."""
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        world = World((("gateway", 1),), ("broker", 1))
        handset = Member(1, bytes(32), Random(1), journal, world)
        handset.reinstall()
        yield handset


def think(member: Member, idea: str) -> list[int]:
    """Have an idea, write it down; codes of all that it claims."""
    author = Author(member.random, TABLES.editions[1], NOW)
    frames = member.note(IDEAS[idea][0](member, author, TABLES))
    assert all(0 < len(frame.body) <= MAX_FRAME_BYTES for frame in frames)
    return [claim.code for frame in frames for claim in frame.claims]


@pytest.mark.parametrize("idea", IDEAS)
def test_every_idea_can_be_had_first_and_again(member: Member, idea: str) -> None:
    """Also where nothing was sent before; numbers stay within their range."""
    for _ in range(3):
        think(member, idea)
    numbers = [one.claim.sequence for one in member.journal.open_claims(1)]
    assert all(number is None or 1 <= number <= MAX_SEQUENCE for number in numbers)


def test_the_counter_reaches_its_end(member: Member) -> None:
    """The last number is used, and what follows has another installation."""
    think(member, "last numbers")
    last = member.installation
    assert member.next_sequence == MAX_SEQUENCE + 1
    think(member, "ordinary")
    assert member.installation != last
    assert min(member.journal.numbers(1, member.installation)) == 1


def test_numbers_are_contested(member: Member) -> None:
    """Contradictions and restored copies give used numbers another content."""
    think(member, "ordinary")
    think(member, "contradicting")
    assert member.journal.contested(1, member.installation)
    think(member, "reinstalled")
    before = member.journal.contested(1, member.installation)
    assert not before
    for _ in range(20):
        think(member, "restored")
    assert any(member.journal.contested(1, n) for n in member.journal.installations(1))


def test_garbage_is_of_all_kinds(member: Member) -> None:
    """No message, an unknown one, and one of a gateway."""
    codes = {code for _ in range(5) for code in think(member, "garbage")}
    assert codes == {
        RefusalCode.UNKNOWN_MESSAGE,
        RefusalCode.MALFORMED_MESSAGE,
        RefusalCode.UNEXPECTED_MESSAGE,
    }


def test_only_so_many_bad_things(member: Member) -> None:
    """The gateway's quarantine is no place for a flood: what is over is not sent."""
    sent = sum(1 for _ in range(200) for code in think(member, "bad values") if code)
    assert BAD_ITEMS - 6 <= sent <= BAD_ITEMS
