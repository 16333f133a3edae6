"""The crew's journal beside the database, each time with one defect."""

from dataclasses import replace
from random import Random

import pytest

from chaos.checks_crew import Key, Stored, Told, crew_findings
from chaos.checks_crew_read import Kept, Sent
from chaos.crew_author import Author
from chaos.crew_claims import STORED, Kind, content_of
from gateway.protocol.errors import RefusalCode
from gateway.reference import load_tables
from tests.helpers.builders import EDITION_2007, NOW, build_report

TABLES = load_tables()
AUTHOR = Author(Random(1), EDITION_2007, NOW)

FIRST, OTHER = build_report(sequence=1), build_report(sequence=1, accuracy_m=99)
FRAME, OTHER_FRAME = (AUTHOR.plain(report).body for report in (FIRST, OTHER))
BAD_FRAME, NO_MESSAGE, STRAY = b"\x91\x03", b"\x91\x7f", b"\x00abc"
KEY: Key = (Kind.REPORT, 1, 9, 1)


def sent(number: int | None, code: int, content: bytes, kind: Kind = Kind.REPORT) -> Sent:
    """Something that was sent, and became what it had to become."""
    return Sent(1, 9, number, kind, code, content, acked=number is not None, outcome=code)


GOOD = sent(1, STORED, content_of(FIRST))
CONFLICT = replace(sent(1, STORED, content_of(OTHER)), outcome=RefusalCode.SEQUENCE_CONFLICT)
BAD = sent(2, RefusalCode.UNKNOWN_CLASS, BAD_FRAME)
UNREAD = sent(None, RefusalCode.UNKNOWN_MESSAGE, NO_MESSAGE, Kind.FRAME)


def told(*changed: Sent, **changes: object) -> Told:
    """What the crew knows: with `changed` in place of all that it sent."""
    frames = {(1, 9, body) for body in (FRAME, OTHER_FRAME, BAD_FRAME, NO_MESSAGE)}
    refusals = [(1, 9, 1, 48), (1, 9, 2, 41), (1, 9, 0, 21), (1, 9, 0, 20)]
    everything = list(changed or (GOOD, CONFLICT, BAD, UNREAD))
    journal = Told(everything, frames, [(1, 9, STRAY)], refusals, {(1, 9): 2})
    for name, value in changes.items():
        setattr(journal, name, value)
    return journal


KEPT = [
    Kept(1, 1, 9, 1, 48, OTHER_FRAME),
    Kept(2, 1, 9, 2, 41, BAD_FRAME),
    Kept(3, 1, 9, None, 21, NO_MESSAGE),
    Kept(4, 1, 9, None, 20, STRAY[:2]),
]


def stored(rows: dict[Key, bytes] | None = None, kept: list[Kept] | None = None) -> Stored:
    """What the database holds."""
    held = {KEY: content_of(FIRST)} if rows is None else rows
    return Stored(held, KEPT if kept is None else kept)


def found(journal: Told, database: Stored) -> set[str]:
    """The sorts of findings."""
    return set(crew_findings(journal, database, TABLES).sorts)


def test_all_is_as_it_must_be() -> None:
    """Nothing is found, and everything was looked at."""
    checked = crew_findings(told(), stored(), TABLES)
    assert checked.findings == []
    assert checked.counts == {
        "sent": 4, "stored": 1, "refused": 3, "rows": 1, "acked through": 2, "quarantined": 4,
        "refusals": 4,
    }  # fmt: skip


def test_a_row_is_deleted() -> None:
    """An acked report that is nowhere is the worst that can be."""
    sole = told(GOOD, BAD, UNREAD)
    assert "acked and lost" in found(sole, stored({}))
    assert "acked and nowhere" in found(sole, stored({}, KEPT[1:]))
    assert "acked through a gap" in found(sole, stored({}, KEPT[1:]))


def test_a_row_is_altered() -> None:
    """One metre of accuracy is enough."""
    changed = {KEY: content_of(build_report(sequence=1, accuracy_m=13))}
    assert found(told(), stored(changed)) == {"altered", "acked and altered"}


def test_the_other_content_is_stored() -> None:
    """Both were sent, and the one that was acked is not the one that is there."""
    assert found(told(), stored({KEY: content_of(OTHER)})) == {"acked and altered"}


def test_a_row_that_was_never_sent() -> None:
    """By number, and by table: a track is no report."""
    more = {KEY: content_of(FIRST), (Kind.TRACK, 1, 9, 1): b"x", (Kind.REPORT, 1, 9, 7): b"y"}
    checked = crew_findings(told(), stored(more), TABLES)
    assert checked.sorts == {"stored and never sent": 2}


@pytest.mark.parametrize("place", range(3))
def test_something_refused_is_not_in_quarantine(place: int) -> None:
    """Whatever was refused for good is kept."""
    kept = KEPT[:place] + KEPT[place + 1 :]
    assert "refused and not kept" in found(told(), stored(kept=kept))


def test_the_wrong_content_is_kept() -> None:
    """Of a conflict the content that was refused is kept, not the one that is stored anyway."""
    kept = [replace(KEPT[0], frame=FRAME), *KEPT[1:]]
    assert found(told(), stored(kept=kept)) == {"refused and not kept"}


def test_a_frame_that_was_never_sent() -> None:
    """One changed byte, in any of them."""
    for place in range(4):
        kept = list(KEPT)
        kept[place] = replace(kept[place], frame=b"\x91\x7e")
        assert "quarantined and never sent" in found(told(), stored(kept=kept))


def test_kept_for_another_reason() -> None:
    """The reason in quarantine is the one that was to be."""
    kept = [*KEPT, Kept(5, 1, 9, 2, 42, BAD_FRAME)]
    assert found(told(), stored(kept=kept)) == {"quarantined for another reason"}


@pytest.mark.parametrize(
    "changed, sort",
    [
        (replace(GOOD, outcome=None), "not settled"),
        (replace(GOOD, outcome=49), "refused though good"),
        (replace(BAD, outcome=42), "told otherwise"),
        (replace(BAD, outcome=STORED), "told otherwise"),
    ],
)
def test_told_something_else(changed: Sent, sort: str) -> None:
    """What a handset is told is what became of it."""
    others = [one for one in (GOOD, CONFLICT, BAD, UNREAD) if one.content != changed.content]
    assert sort in found(told(changed, *others), stored())


def test_two_contents_acked() -> None:
    """One of them is not stored, whatever it was told."""
    assert "two contents acked" in found(
        told(GOOD, replace(CONFLICT, outcome=STORED), BAD, UNREAD), stored()
    )


def test_no_content_accepted() -> None:
    """Of several contents one is accepted; a sole one conflicts with nothing."""
    both = told(replace(GOOD, outcome=48), CONFLICT, BAD, UNREAD)
    assert "no content accepted" in found(both, stored())
    assert "conflict with nothing" in found(told(CONFLICT, BAD, UNREAD), stored())


def test_refused_without_a_reason() -> None:
    """A good report was refused at some time, even if it was accepted later."""
    refusals = [(1, 9, 1, 45), (1, 9, 3, 48)]
    checked = crew_findings(told(refusals=refusals), stored(), TABLES)
    assert checked.sorts == {"refused without a reason": 2}
    assert found(told(strays=[]), stored(kept=KEPT[:3])) == {"refused without a reason"}


def test_an_ack_through_a_gap() -> None:
    """Also where the missing number was never sent."""
    assert found(told(through={(1, 9): 3}), stored()) == {"acked through a gap"}
