"""One misbehaving handset: its numbers, and what it hears."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chaos.crew_author import Author
from chaos.crew_journal import Journal
from chaos.crew_member import BAD_ITEMS, Ear, Member, World
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import Ack, Message, Refusal, Welcome
from tests.helpers.builders import EDITION_2007, NOW, build_report

INSTALLATION = 9


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    """A handset that has written down four reports."""
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        world = World((("tls", 1), ("plain", 2)), ("broker", 3))
        handset = Member(1, bytes(32), Random(1), journal, world, installation=INSTALLATION)
        author = Author(Random(1), EDITION_2007, NOW)
        numbers = handset.take_numbers(4)
        handset.note([author.plain(build_report(sequence=number)) for number in numbers])
        yield handset


def welcome(**changes: Any) -> Welcome:
    """What a gateway says first."""
    values = {"settled_through": 0, "heartbeat_seconds": 270, "window_reports": 9, "edition": 1}
    return Welcome(version=1, proof=b"", server_time=0, **{**values, **changes})


def still_open(member: Member) -> list[int | None]:
    """Numbers that are not settled."""
    return [one.claim.sequence for one in member.journal.open_claims(1)]


@pytest.mark.parametrize(
    "message, left",
    [
        (Ack(2), [3, 4]),
        (Ack(0, [2, 2]), [1, 4]),
        (welcome(settled_through=3), [4]),
        (Refusal(60, 1, 1, 4, 5), [1, 2, 3, 4]),
        (Refusal(41, 0, 1, 4), [1, 2, 3, 4]),
    ],
)
def test_what_it_hears(member: Member, message: Message, left: list[int]) -> None:
    """An ack and a welcome settle; a refusal of what is good settles nothing."""
    Ear(member, INSTALLATION)(message)
    assert still_open(member) == left


def test_a_refused_number_is_not_taken_for_stored(member: Member) -> None:
    """A welcome covers a number and lists it as refused: the refusal says what became of it."""
    Ear(member, INSTALLATION)(welcome(settled_through=3, refused=[(2, 48)]))
    assert still_open(member) == [2, 4]
    assert member.known_through == {INSTALLATION: 3}


def test_what_is_said_to_another_installation(member: Member) -> None:
    """Concerns only that one."""
    Ear(member, INSTALLATION + 1)(Ack(4))
    assert still_open(member) == [1, 2, 3, 4]


def test_a_device_that_is_not_admitted(member: Member) -> None:
    """Over MQTT it is told on its topic: it comes back later."""
    with pytest.raises(ConnectionError):
        Ear(member, INSTALLATION)(Refusal(2, 1))


def test_numbers_end(member: Member) -> None:
    """The last one is used; where there are not enough left a new installation begins."""
    member.next_sequence = MAX_SEQUENCE - 1
    assert member.take_numbers(2).stop - 1 == MAX_SEQUENCE
    assert member.installation == INSTALLATION
    assert member.take_numbers(1) == range(1, 2)
    assert member.installation != INSTALLATION


def test_bad_things_are_counted(member: Member) -> None:
    """What is over is neither written down nor sent."""
    author = Author(Random(1), EDITION_2007, NOW)
    bad = [author.bad(number) for number in member.take_numbers(BAD_ITEMS + 1)]
    assert len(member.note(bad)) == BAD_ITEMS
    assert len(member.note([author.plain(build_report(sequence=999))])) == 1
    assert len(still_open(member)) == 4 + BAD_ITEMS + 1


def test_the_first_gateway_alone_speaks_tls() -> None:
    """The others of a fault run are reached in plaintext."""
    world = World((("a", 1), ("b", 2)), ("broker", 3))
    assert world.tls_of(0) is None
    assert world.tls_of(1) is None
