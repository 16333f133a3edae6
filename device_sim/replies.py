"""How inspectors answer tasks: what, and after how long. Pure and seeded. All shares: [A]."""

from dataclasses import dataclass
from random import Random
from typing import Final

from device_sim.task_list import Reply
from gateway.protocol.task_messages import ANSWERS, Answer, Task, TaskKind

WORDS: Final = {
    Answer.UNABLE: ("大门锁着，进不去。", "工地封闭，看不到现场。", "地址不清，没有找到。"),
    Answer.EXISTS: ("情况属实。", "属实，现场已拍照。", ""),
    Answer.ABSENT: ("到现场没有发现。", "已经清走，现场没有问题。", ""),
    Answer.PASSED: ("已修好。", "现场干净，处理到位。", ""),
    Answer.FAILED: ("还没有处理。", "只处理了一半，路面仍有坑洼。", "处理后又堆上了。"),
}
"""What an inspector writes with an answer; often nothing."""

UNABLE_SHARE: Final = 0.1
GOOD_SHARE: Final = 0.75
"""Of the other answers: it exists, or it was repaired."""

_GOOD: Final = {TaskKind.VERIFY: Answer.EXISTS, TaskKind.CHECK: Answer.PASSED}
_BAD: Final = {TaskKind.VERIFY: Answer.ABSENT, TaskKind.CHECK: Answer.FAILED}


@dataclass(frozen=True, slots=True)
class Habits:
    """When inspectors answer. What is neither in time nor late is never answered."""

    in_time: float
    """Share of tasks that are answered while they are open."""
    late: float
    """Share that is answered after the expiry."""
    span: tuple[float, float]
    """When, in time: between these parts of the time that is left when the task comes."""
    late_seconds: tuple[float, float]
    """When, late: so long after the expiry."""


AT_ONCE: Final = Habits(in_time=1.0, late=0.0, span=(0.0, 0.0), late_seconds=(0.0, 0.0))
"""For scenarios about reports: a task that comes by the way holds nothing up."""


def plan_reply(random: Random, task: Task, received_at: float, habits: Habits) -> Reply | None:
    """What the inspector will answer, or None for never, as to a notice.

    Args:
        random: of this task and handset.
        task: what is asked.
        received_at: when it was shown, in Unix time.
        habits: when inspectors answer.
    """
    chance, when, mood = random.random(), random.random(), random.random()
    if not ANSWERS.get(_kind(task)) or chance >= habits.in_time + habits.late:
        return None
    if chance < habits.in_time:
        left = task.expires_at - received_at
        due_at = received_at + left * _between(when, habits.span)
    else:
        due_at = task.expires_at + _between(when, habits.late_seconds)
    answer = _answer(TaskKind(task.kind), mood)
    return Reply(int(answer), random.choice(WORDS[answer]), due_at)


def _kind(task: Task) -> TaskKind:
    """A kind that this handset does not know is a text to read."""
    try:
        return TaskKind(task.kind)
    except ValueError:
        return TaskKind.NOTICE


def _between(chance: float, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return low + (high - low) * chance


def _answer(kind: TaskKind, mood: float) -> Answer:
    if mood < UNABLE_SHARE:
        return Answer.UNABLE
    return _GOOD[kind] if mood < UNABLE_SHARE + (1 - UNABLE_SHARE) * GOOD_SHARE else _BAD[kind]
