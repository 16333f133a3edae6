"""What a misbehaving handset sends next. Each idea makes frames for one installation and says what
must become of them; how they are sent is another matter (`crew_manners`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgpack

from chaos.crew_author import Author
from chaos.crew_claims import Claim, Frame, Kind, frame_of
from chaos.crew_member import Member
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_FRAME_BYTES, MAX_SEQUENCE
from gateway.protocol.messages import Ack, Challenge, encode
from gateway.protocol.tables import Tables

RESENT: Final = 60
"""Frames that one turn sends once more."""

MUTATIONS: Final = 12
OFTEN: Final = 0.9
_STEPS_BACK: Final = 20
_GAP: Final = 50
_MOST_OF_A_BACKLOG: Final = 40

Idea = Callable[[Member, Author, Tables], list[Frame]]


def ordinary(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """Reports, one by one, in all forms of text, some of them emergencies."""
    count = member.random.randint(1, 20)
    return [author.single(author.report(number)) for number in member.take_numbers(count)]


def backlogs(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """A few backlogs, with a track between them."""
    frames = []
    for _ in range(member.random.randint(1, 4)):
        numbers = member.take_numbers(member.random.randint(1, _MOST_OF_A_BACKLOG))
        frames.append(author.backlog([author.report(number) for number in numbers]))
        (number,) = member.take_numbers(1)
        frames.append(author.track_frame(author.track(number)))
    return frames


def bad_values(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """Reports that must be refused among reports that must be stored."""
    frames = [author.bad(number) for number in member.take_numbers(5)]
    frames.append(author.mixed(member.take_numbers(6)))
    frames.append(author.single(author.report(member.take_numbers(1)[0])))
    return frames


def wrong_clock(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """The clock jumps by hours, weeks and years, both ways."""
    return [author.wrong_time(number) for number in member.take_numbers(8)]


def scattered(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """Numbers in no order, with gaps that are never filled."""
    numbers: list[int] = []
    for _ in range(15):
        member.take_numbers(member.random.randint(1, _GAP))
        numbers += member.take_numbers(1)
    member.random.shuffle(numbers)
    return [author.single(author.report(number)) for number in numbers]


def last_numbers(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """The counter reaches its end; what follows has a new installation."""
    member.reinstall()
    member.next_sequence = MAX_SEQUENCE - 5
    frames = [author.single(author.report(number)) for number in member.take_numbers(3)]
    frames.append(author.backlog([author.report(n) for n in member.take_numbers(2)]))
    frames.append(author.track_frame(author.track(member.take_numbers(1)[0])))
    return frames


def contradicting(member: Member, author: Author, _tables: Tables) -> list[Frame]:
    """Another content under a number that has one: whichever comes first is stored, and the other
    kept in quarantine.
    """
    numbers = member.journal.numbers(member.device, member.installation)
    if not numbers:
        return ordinary(member, author, _tables)
    member.bad_items_left -= len(numbers[:5])
    if member.bad_items_left < 0:
        return []
    chosen = member.random.sample(numbers, min(5, len(numbers)))
    return [author.single(author.report(number)) for number in chosen]


def reinstalled(member: Member, author: Author, tables: Tables) -> list[Frame]:
    """A new installation counts from 1 again."""
    member.reinstall()
    return ordinary(member, author, tables)


def restored(member: Member, author: Author, tables: Tables) -> list[Frame]:
    """A copy brings an old installation back with an older counter, and nobody notices: numbers
    that were used get another content.
    """
    old = member.journal.installations(member.device)
    if old:
        member.installation = member.random.choice(old[:6])
        numbers = member.journal.numbers(member.device, member.installation)
        newest = max(numbers, default=0)
        member.next_sequence = max(1, newest - member.random.randint(0, _STEPS_BACK))
    member.bad_items_left -= _STEPS_BACK
    return ordinary(member, author, tables) if member.bad_items_left > 0 else []


def everything_again(member: Member, author: Author, tables: Tables) -> list[Frame]:
    """What was sent before, once more, some of it twice; mostly good things, for the repetition of
    a bad one is another bad one.
    """
    key = member.device, member.installation
    bodies = member.journal.sample(member.random, *key, RESENT)
    contested = member.journal.contested(*key) if member.random.random() < OFTEN else frozenset()
    frames = [frame_of(body, tables, author.now) for body in bodies]
    return [
        frame
        for frame in frames
        if frame is not None
        and not any(claim.code or claim.sequence in contested for claim in frame.claims)
    ]


def garbage(member: Member, author: Author, tables: Tables) -> list[Frame]:
    """Bytes that are no message, well framed; tags that nobody knows; messages of a gateway."""
    random = member.random
    bodies = [
        random.randbytes(random.choice((1, 2, 30, 300))),
        msgpack.packb([random.randint(21, 127), random.random()]),
        b"\x91" * random.randint(1, MAX_FRAME_BYTES),
        encode(Ack(MAX_SEQUENCE)),
        encode(Challenge(1, random.randbytes(12))),
    ]
    frames: list[Frame] = []
    for body in bodies:
        frame = _unexpected(body) or frame_of(body, tables, author.now)
        if frame is not None:
            frames.append(frame)
    return frames


def _unexpected(body: bytes) -> Frame | None:
    """A known message that a device never sends."""
    if len(body) < 2 or body[0] not in {0x92, 0x93} or body[1] not in {0, 5}:  # noqa: PLR2004 -- mark and tag
        return None
    claim = Claim(None, Kind.FRAME, RefusalCode.UNEXPECTED_MESSAGE, body, body)
    return Frame(body, (claim,))


def mutated(member: Member, author: Author, tables: Tables) -> list[Frame]:
    """Frames with some bytes changed on the way into them: still a report, with another content,
    or nothing. By the gateway's own rules it is known beforehand which.
    """
    random = member.random
    frames: list[Frame] = []
    for number in member.take_numbers(MUTATIONS):
        body = bytearray(author.single(author.report(number)).body)
        for _ in range(random.randint(1, 3)):
            body[random.randrange(len(body))] = random.randrange(256)
        frame = frame_of(bytes(body), tables, author.now)
        if frame is not None:
            frames.append(frame)
    return frames


IDEAS: Final[Mapping[str, tuple[Idea, int]]] = MappingProxyType(
    {
        "ordinary": (ordinary, 3),
        "backlogs": (backlogs, 3),
        "bad values": (bad_values, 2),
        "wrong clock": (wrong_clock, 2),
        "scattered": (scattered, 2),
        "last numbers": (last_numbers, 1),
        "contradicting": (contradicting, 2),
        "reinstalled": (reinstalled, 2),
        "restored": (restored, 2),
        "everything again": (everything_again, 5),
        "garbage": (garbage, 1),
        "mutated": (mutated, 2),
    }
)
"""By name, with how often each is taken in proportion to the others."""
