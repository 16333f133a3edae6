"""An answer to a task: its text is read here; whether it suits the task, the database says."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Answered, Outcome, reject_answer
from gateway.protocol.errors import RefusalCode
from gateway.protocol.limits import MAX_DESCRIPTION_CHARACTERS
from gateway.protocol.task_messages import Answer, TaskAnswer
from gateway.protocol.text import TextError, check_description, decode_text

_ANSWERS = frozenset(Answer)


def handle(message: TaskAnswer, _context: Context) -> Outcome:
    """Hand the answer on, or reject it whole."""
    if message.answer not in _ANSWERS:
        detail = f"answer {message.answer}"
        return reject_answer(message.task, RefusalCode.BAD_ANSWER, detail)
    try:
        text = decode_text(message.text, MAX_DESCRIPTION_CHARACTERS)
    except TextError as error:
        return reject_answer(message.task, RefusalCode.BAD_ANSWER, str(error))
    fault = check_description(text)
    if fault:
        return reject_answer(message.task, RefusalCode.BAD_ANSWER, fault)
    answer = Answer(message.answer)
    return Outcome(task_reply=Answered(message.task, answer, message.answered_at, text))
