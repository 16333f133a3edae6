"""The messages about tasks: numbers that never move, answers that suit, limits of each field."""

from collections.abc import Sequence

import msgpack
import pytest

from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import BadFrame, decode, decode_or_bad
from gateway.protocol.task_messages import (
    ANSWERS,
    TASK_MESSAGES,
    Answer,
    Noted,
    Receipt,
    Task,
    TaskAnswer,
    TaskKind,
    TaskMessage,
    TaskNoted,
    TaskReceipt,
    TaskWithdrawal,
    Withdrawal,
)

TASK_FIELDS = [16, 7, 0, 1_206_000_000, 1_206_086_400, "abc", "LG-1", 300_101, 1, 2, ["a"]]
NOTED_FIELDS = [17, 7, 1]
ANSWER_FIELDS = [18, 7, 1, 1_206_000_000, "abc"]
RECEIPT_FIELDS = [19, 7, 1]
WITHDRAWAL_FIELDS = [20, 7, 1]

NUMBERS = ([1, 2**53 - 1], [0, -1, 2**53])
TIMES = ([0, 2**32 - 1], [-1, 2**32])
ANY_INTEGER: tuple[Sequence[object], Sequence[object]] = ([0, -(2**63), 2**63 - 1], [])

NO_INTEGER = [1.0, float("nan"), "1", b"1", True, [], {}]
NO_STRING = [1, 1.0, b"1", True, [], {}]


def _with(fields: list[object], place: int, value: object) -> bytes:
    return bytes(msgpack.packb([*fields[:place], value, *fields[place + 1 :]]))


def _is_malformed(body: bytes) -> bool:
    event = decode_or_bad(body)
    return isinstance(event, BadFrame) and event.code is RefusalCode.MALFORMED_MESSAGE


# Numbers and what they mean.


def test_numbers_never_change() -> None:
    """A number on the wire, and in the database, keeps its meaning for ever."""
    assert {kind.name: kind.value for kind in TaskKind} == {"VERIFY": 0, "CHECK": 1, "NOTICE": 2}
    assert {answer.name: answer.value for answer in Answer} == {
        "UNABLE": 0,
        "EXISTS": 1,
        "ABSENT": 2,
        "PASSED": 3,
        "FAILED": 4,
    }
    assert {noted.name: noted.value for noted in Noted} == {"RECEIVED": 0, "WITHDRAWN": 1}
    assert {receipt.name: receipt.value for receipt in Receipt} == {
        "ACCEPTED": 0,
        "LATE": 1,
        "NOT_ACCEPTED": 2,
    }
    assert {reason.name: reason.value for reason in Withdrawal} == {
        "CANCELLED": 0,
        "SUPERSEDED": 1,
    }


def test_every_kind_says_which_answers_it_takes() -> None:
    """No kind is without its row, even the one that takes none."""
    assert ANSWERS.keys() == set(TaskKind)
    assert not ANSWERS[TaskKind.NOTICE]


def test_every_answer_suits_a_kind() -> None:
    """What could not be found out suits both questions; every other answer suits just one."""
    asking = [TaskKind.VERIFY, TaskKind.CHECK]
    suited = {answer: [kind for kind in TaskKind if answer in ANSWERS[kind]] for answer in Answer}
    assert suited.pop(Answer.UNABLE) == asking
    assert all(len(kinds) == 1 for kinds in suited.values())


def test_tags_follow_each_other() -> None:
    """Five from 16 on, in the order of a task's life."""
    assert [kind.__struct_config__.tag for kind in TASK_MESSAGES] == [16, 17, 18, 19, 20]


@pytest.mark.parametrize("kind", TASK_MESSAGES)
def test_the_task_stands_first(kind: type[TaskMessage]) -> None:
    """Whatever follows it, a peer that reads nothing else knows which task is meant."""
    assert kind.__struct_fields__[0] == "task"


# Limits of the fields.


@pytest.mark.parametrize(
    "fields, place, good, bad",
    [
        (TASK_FIELDS, 1, *NUMBERS),
        (TASK_FIELDS, 2, *ANY_INTEGER),
        (TASK_FIELDS, 3, *TIMES),
        (TASK_FIELDS, 4, *TIMES),
        (TASK_FIELDS, 7, [0, 10**15 - 1], [-1, 10**15]),
        (TASK_FIELDS, 8, [-9_000_000, 9_000_000, None], [-9_000_001, 9_000_001]),
        (TASK_FIELDS, 9, [-18_000_000, 18_000_000, None], [-18_000_001, 18_000_001]),
        (NOTED_FIELDS, 1, *NUMBERS),
        (NOTED_FIELDS, 2, [0, 1], [-1, 2]),
        (ANSWER_FIELDS, 1, *NUMBERS),
        (ANSWER_FIELDS, 2, [0, 255], [-1, 256]),
        (ANSWER_FIELDS, 3, *TIMES),
        (RECEIPT_FIELDS, 1, *NUMBERS),
        (RECEIPT_FIELDS, 2, *ANY_INTEGER),
        (WITHDRAWAL_FIELDS, 1, *NUMBERS),
        (WITHDRAWAL_FIELDS, 2, *ANY_INTEGER),
    ],
)
def test_limits_of_the_numbers(
    fields: list[object], place: int, good: Sequence[object], bad: Sequence[object]
) -> None:
    """Each field takes its limits and nothing just past them, nor another type."""
    for value in good:
        assert not isinstance(decode_or_bad(_with(fields, place, value)), BadFrame), value
    for value in (*bad, *NO_INTEGER):
        assert _is_malformed(_with(fields, place, value)), value


@pytest.mark.parametrize("character", ["a", "井", "\U00020000"])
def test_limits_of_the_strings_are_in_characters(character: str) -> None:
    """However many bytes a character takes: 64 for a case, 256 for an address, and one at least."""
    for place, good, bad in (
        (6, ["", character * 64], [character * 65]),
        (10, [[character], [character * 256], [character] * 9], [[character * 257]]),
    ):
        for value in good:
            assert isinstance(decode_or_bad(_with(TASK_FIELDS, place, value)), Task)
        for value in bad:
            assert _is_malformed(_with(TASK_FIELDS, place, value))


def test_a_task_has_nine_pictures_at_most() -> None:
    """None is a task's usual number; the tenth, or one without an address, spoils it."""
    assert isinstance(decode_or_bad(_with(TASK_FIELDS, 10, [])), Task)
    for pictures in (["a"] * 10, [""], [1], [None], [b"a"], "a", None):
        assert _is_malformed(_with(TASK_FIELDS, 10, pictures)), pictures


@pytest.mark.parametrize("value", NO_STRING)
def test_a_case_number_is_a_string(value: object) -> None:
    """Nor can it be nil: empty means that there is none."""
    assert _is_malformed(_with(TASK_FIELDS, 6, value))
    assert _is_malformed(_with(TASK_FIELDS, 6, None))


@pytest.mark.parametrize("text", ["", "abc", b"\xff", 5, None, [1], 1.5])
def test_a_text_of_any_type_is_left_to_who_reads_it(text: object) -> None:
    """A bad text costs an answer its acceptance, not the frame: its sender gets a receipt."""
    answer = decode(_with(ANSWER_FIELDS, 4, text))
    assert answer == TaskAnswer(7, 1, 1_206_000_000, text)
    task = decode(_with(TASK_FIELDS, 5, text))
    assert isinstance(task, Task)
    assert task.text == text


# Old and new.


def test_missing_trailing_fields_take_their_defaults() -> None:
    """What is absent is empty, none, or the ordinary case."""
    assert decode(bytes(msgpack.packb(TASK_FIELDS[:6]))) == Task(
        task=7,
        kind=0,
        issued_at=1_206_000_000,
        expires_at=1_206_086_400,
        text="abc",
        case_number="",
        grid=0,
        lat_e5=None,
        lon_e5=None,
        pictures=[],
    )
    assert decode(bytes(msgpack.packb([17, 7]))) == TaskNoted(7, Noted.RECEIVED)
    assert decode(bytes(msgpack.packb([18, 7, 1, 9]))) == TaskAnswer(7, 1, 9, "")
    assert decode(bytes(msgpack.packb([19, 7]))) == TaskReceipt(7, Receipt.ACCEPTED)
    assert decode(bytes(msgpack.packb([20, 7]))) == TaskWithdrawal(7, Withdrawal.CANCELLED)


@pytest.mark.parametrize(
    "fields, required",
    [
        (TASK_FIELDS, 6),
        (NOTED_FIELDS, 2),
        (ANSWER_FIELDS, 4),
        (RECEIPT_FIELDS, 2),
        (WITHDRAWAL_FIELDS, 2),
    ],
)
def test_missing_required_field_is_malformed(fields: list[object], required: int) -> None:
    """What has no default must be there, and what has one need not."""
    for size in range(1, len(fields) + 1):
        assert _is_malformed(bytes(msgpack.packb(fields[:size]))) is (size < required), size
