"""One file per message, pure: message and context in, outcome out.

`HANDLERS` is the whole list of what happens when a message arrives in an admitted session. The
greeting needs the database and is done by `gateway.admission`; a pong and a goodbye need nothing
beyond what `Connection` does.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.handlers import backlog, bad_frame, ping, report, task_answer, task_noted, track
from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome
from gateway.protocol.messages import (
    BadFrame,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    WireBacklog,
    WireReport,
    WireTrack,
)
from gateway.protocol.task_messages import TaskAnswer, TaskNoted

HANDLERS: Final[Mapping[type[Message | BadFrame], Callable[[Any, Context], Outcome]]] = {
    WireReport: report.handle,
    WireBacklog: backlog.handle,
    WireTrack: track.handle,
    TaskNoted: task_noted.handle,
    TaskAnswer: task_answer.handle,
    Ping: ping.handle,
    BadFrame: bad_frame.handle,
}

NEEDS_NO_HANDLER: Final[frozenset[type[Message]]] = frozenset({Hello, Pong, Goodbye})
"""Messages from a device that the session or the connection deals with."""
