"""Tests of how inspectors answer."""

from collections import Counter
from random import Random

import pytest

from device_sim.replies import AT_ONCE, GOOD_SHARE, UNABLE_SHARE, WORDS, Habits, plan_reply
from gateway.protocol.task_messages import ANSWERS, Answer, TaskKind
from tests.helpers.builders import NOW, build_task

HABITS = Habits(in_time=0.6, late=0.3, span=(0.25, 0.5), late_seconds=(2.0, 4.0))
KINDS = [TaskKind.VERIFY, TaskKind.CHECK]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_suit_their_kind(kind: TaskKind) -> None:
    """Each that the kind takes occurs, in about its share, and no other."""
    random, task = Random(1), build_task(kind=kind)
    replies = [plan_reply(random, task, NOW, AT_ONCE) for _ in range(1_000)]
    counts = Counter(reply.answer for reply in replies if reply)
    assert set(counts) == ANSWERS[kind]
    assert counts[Answer.UNABLE] == pytest.approx(1_000 * UNABLE_SHARE, rel=0.3)
    good = Answer.EXISTS if kind is TaskKind.VERIFY else Answer.PASSED
    assert counts[good] == pytest.approx(1_000 * (1 - UNABLE_SHARE) * GOOD_SHARE, rel=0.1)
    assert all(reply and reply.text in WORDS[Answer(reply.answer)] for reply in replies)


@pytest.mark.parametrize("kind", [TaskKind.NOTICE, 99])
def test_a_text_to_read_is_not_answered(kind: int) -> None:
    """A notice, and a kind that this handset does not know."""
    assert plan_reply(Random(1), build_task(kind=kind), NOW, AT_ONCE) is None


def test_some_answer_in_time_some_late_some_never() -> None:
    """In their shares, and within their bounds."""
    random, task = Random(1), build_task(expires_at=NOW + 100)
    replies = [plan_reply(random, task, NOW, HABITS) for _ in range(2_000)]
    in_time = [reply.due_at for reply in replies if reply and reply.due_at < NOW + 100]
    late = [reply.due_at for reply in replies if reply and reply.due_at >= NOW + 100]
    assert len(in_time) == pytest.approx(1_200, rel=0.1)
    assert len(late) == pytest.approx(600, rel=0.1)
    assert NOW + 25 <= min(in_time) < max(in_time) <= NOW + 50
    assert NOW + 102 <= min(late) < max(late) <= NOW + 104


def test_by_the_way_a_task_is_answered_at_once() -> None:
    """Where the scenario is about something else."""
    reply = plan_reply(Random(1), build_task(), NOW + 7.5, AT_ONCE)
    assert reply is not None
    assert reply.due_at == NOW + 7.5
