"""What the crew writes is what it says it is: the gateway's own rules agree."""

from collections import Counter
from random import Random

from chaos.crew_author import Author
from chaos.crew_claims import STORED, Frame, frame_of
from gateway.reference import load_tables
from tests.helpers.builders import NOW

TABLES = load_tables()
TRIES = 400


def author(seed: int) -> Author:
    """One whose chance is its own."""
    return Author(Random(seed), TABLES.editions[1], NOW)


def agreed(frame: Frame) -> list[int]:
    """Codes of a frame's claims, the gateway's rules having said the same."""
    found = frame_of(frame.body, TABLES, NOW)
    assert found is not None
    assert {(c.sequence, c.kind, c.code) for c in found.claims} == {
        (c.sequence, c.kind, c.code) for c in frame.claims
    }
    good = {c.content for c in found.claims if c.code == STORED}
    assert good == {c.content for c in frame.claims if c.code == STORED}
    return [claim.code for claim in frame.claims]


def test_good_ones() -> None:
    """Reports in all forms, backlogs and tracks are accepted."""
    for seed in range(TRIES):
        one = author(seed)
        reports = [one.report(number) for number in range(1, 6)]
        assert agreed(one.single(reports[0])) == [STORED]
        assert agreed(one.backlog(reports)) == [STORED] * 5
        assert agreed(one.track_frame(one.track(6))) == [STORED]


def test_bad_ones() -> None:
    """Each is refused with the code that it says, and all codes of a report's content occur."""
    codes = Counter(code for seed in range(TRIES) for code in agreed(author(seed).bad(1)))
    assert set(codes) == {40, 41, 42, 43, 45, 46, 47}


def test_a_backlog_of_both() -> None:
    """Every other report is refused."""
    assert sorted(agreed(author(1).mixed(range(1, 7)))) == [0, 0, 0, 41, 41, 41]


def test_wrong_clocks() -> None:
    """Behind is believed, and an hour ahead; far ahead and before 2000 are not. None of them hangs
    on what the fault run does to a gateway's clock.
    """
    codes = Counter(code for seed in range(TRIES) for code in agreed(author(seed).wrong_time(1)))
    assert set(codes) == {STORED, 44}
