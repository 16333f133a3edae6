"""An answer to a task: its text in every form, and what cannot be an answer to anything."""

from typing import Any

import pytest

from gateway.handlers.context import Context
from gateway.handlers.outcome import Answered, Rejected
from gateway.handlers.task_answer import handle
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_DESCRIPTION_CHARACTERS
from gateway.protocol.task_messages import Answer, Receipt, TaskAnswer, TaskReceipt
from gateway.protocol.text import encode_text
from tests.helpers.builders import NOW, TABLES

CONTEXT = Context(TABLES, NOW)


@pytest.mark.parametrize(
    "text", ["", "ok", "在", "已到现场核实，井盖缺失", "x" * MAX_DESCRIPTION_CHARACTERS]
)
def test_an_answer_is_handed_on(text: str) -> None:
    """With its text read, in whichever form it came."""
    for form in (text, encode_text(text)):
        outcome = handle(TaskAnswer(7, Answer.EXISTS, 1_700_000_000, form), CONTEXT)
        assert outcome.task_reply == Answered(7, Answer.EXISTS, 1_700_000_000, text)
        assert not outcome.is_settled_later


@pytest.mark.parametrize(
    "answer, text, detail",
    [
        (5, "", "task 7: answer 5"),
        (255, "", "task 7: answer 255"),
        (1, 17, "task 7: int is no form of text"),
        (1, b"\xff\xff", "task 7: "),
        (1, "x" * (MAX_DESCRIPTION_CHARACTERS + 1), "task 7: text of 501 characters, limit 500"),
        (1, "a\nb", "task 7: description holds U+000A at 1"),
    ],
)
def test_what_is_no_answer(answer: int, text: Any, detail: str) -> None:
    """It goes to quarantine, and is receipted by the task's number behind that."""
    outcome = handle(TaskAnswer(7, answer, 1, text), CONTEXT)
    (rejected,) = outcome.rejected
    assert isinstance(rejected, Rejected)
    assert (rejected.sequence, rejected.code) == (None, RefusalCode.BAD_ANSWER)
    assert rejected.detail.startswith(detail)
    assert outcome.receipt == TaskReceipt(7, Receipt.NOT_ACCEPTED)
    assert outcome.task_reply is None
