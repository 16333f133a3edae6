"""The messages about tasks, tags 16 to 20: what the centre wants of an inspector, and the answer.

They obey the rules of `messages`, which lists them among all others. A task is rare, so its values
stand whole: nothing is relative to an edition of the code tables.
"""

from enum import IntEnum, unique
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.protocol import limits

TaskNumber = Annotated[int, Meta(ge=1, le=limits.MAX_TASK)]
Time = Annotated[int, Meta(ge=0, le=limits.MAX_TIME)]
CaseNumber = Annotated[str, Meta(max_length=limits.MAX_CASE_NUMBER_CHARACTERS)]
Grid = Annotated[int, Meta(ge=0, le=limits.MAX_GRID)]
LatE5 = Annotated[int, Meta(ge=-9_000_000, le=9_000_000)]
LonE5 = Annotated[int, Meta(ge=-18_000_000, le=18_000_000)]
PictureAddress = Annotated[
    str, Meta(min_length=1, max_length=limits.MAX_PICTURE_ADDRESS_CHARACTERS)
]
Pictures = Annotated[list[PictureAddress], Meta(max_length=limits.MAX_TASK_PICTURES)]


@unique
class TaskKind(IntEnum):
    """What is asked. The numbers never change their meaning."""

    VERIFY = 0
    """核实: go and see whether what a citizen reported exists, before a case is filed."""
    CHECK = 1
    """核查: go and see whether a repair was done, before a case is closed."""
    NOTICE = 2
    """A text to read. Nothing is answered."""


@unique
class Answer(IntEnum):
    """What the inspector found. The numbers never change their meaning."""

    UNABLE = 0
    """Could not be found out; the text says why."""
    EXISTS = 1
    """核实: it is there."""
    ABSENT = 2
    """核实: it is not there."""
    PASSED = 3
    """核查: it was repaired."""
    FAILED = 4
    """核查: it was not, or badly."""


ANSWERS = {
    TaskKind.VERIFY: frozenset({Answer.UNABLE, Answer.EXISTS, Answer.ABSENT}),
    TaskKind.CHECK: frozenset({Answer.UNABLE, Answer.PASSED, Answer.FAILED}),
    TaskKind.NOTICE: frozenset[Answer](),
}
"""Which answers suit which kind. The database holds the same table."""


@unique
class Noted(IntEnum):
    """What a handset has noted of a task."""

    RECEIVED = 0
    """It is durably on the handset and will be shown."""
    WITHDRAWN = 1
    """It is not, or no longer, shown."""


@unique
class Receipt(IntEnum):
    """What became of an answer."""

    ACCEPTED = 0
    """It is the answer to the task."""
    LATE = 1
    """The task was over (expired, withdrawn or answered otherwise); the answer is kept with it."""
    NOT_ACCEPTED = 2
    """No such task for this device, or no answer to its kind; kept in quarantine. The refusal
    says why."""


@unique
class Withdrawal(IntEnum):
    """Why a task is withdrawn."""

    CANCELLED = 0
    SUPERSEDED = 1
    """Another task takes its place."""


class Task(msgspec.Struct, tag=16, array_like=True, frozen=True):
    """Gateway to device: a task, sent again until it is noted, and never after its expiry."""

    task: TaskNumber
    kind: int
    issued_at: Time
    expires_at: Time
    """From here on it is not to be shown as open."""
    text: Any
    """A text in one of the three forms of `text`, at most `MAX_TASK_CHARACTERS`."""
    case_number: CaseNumber = ""
    grid: Grid = 0
    """Whole unit-grid identity; 0: none."""
    lat_e5: LatE5 | None = None
    lon_e5: LonE5 | None = None
    pictures: Pictures = []
    """Addresses to fetch them from."""


class TaskNoted(msgspec.Struct, tag=17, array_like=True, frozen=True, gc=False):
    """Device to gateway: a task or its withdrawal is durably noted; it need not come again."""

    task: TaskNumber
    what: Annotated[int, Meta(ge=0, le=1)] = Noted.RECEIVED


class TaskAnswer(msgspec.Struct, tag=18, array_like=True, frozen=True, gc=False):
    """Device to gateway: the inspector's answer, sent again until its receipt comes."""

    task: TaskNumber
    answer: Annotated[int, Meta(ge=0, le=255)]
    answered_at: Time
    """By the handset's clock."""
    text: Any = ""
    """A text in one of the three forms of `text`, at most `MAX_DESCRIPTION_CHARACTERS`."""


class TaskReceipt(msgspec.Struct, tag=19, array_like=True, frozen=True, gc=False):
    """Gateway to device: the answer is committed, or refused; it may be deleted."""

    task: TaskNumber
    receipt: int = Receipt.ACCEPTED


class TaskWithdrawal(msgspec.Struct, tag=20, array_like=True, frozen=True, gc=False):
    """Gateway to device: the task is no longer to be done; sent again until it is noted."""

    task: TaskNumber
    reason: int = Withdrawal.CANCELLED


TaskMessage = Task | TaskNoted | TaskAnswer | TaskReceipt | TaskWithdrawal

TASK_MESSAGES: tuple[type[TaskMessage], ...] = (
    Task,
    TaskNoted,
    TaskAnswer,
    TaskReceipt,
    TaskWithdrawal,
)
