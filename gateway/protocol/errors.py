"""What can go wrong on the wire, and whose fault it was.

Strategy: bytes that a peer sent never raise through the application. They end in
`RemoteProtocolError`, which `Connection` turns into an event and a refusal or a goodbye. Wrong
calls by our own code raise `LocalProtocolError`: a bug of ours, to be seen with its traceback.
The number that goes on the wire is an attribute, never parsed from a text.
"""

from enum import IntEnum, unique


@unique
class RefusalCode(IntEnum):
    """Why something was refused. 1-19 concern the session, 20-39 a frame, 40-59 the
    content of a report or an answer, 60-79 a lack of room. The numbers never change their meaning.
    """

    UNSUPPORTED_VERSION = 1
    """The gateway does not speak this protocol version. Update the handset's software."""
    NOT_ADMITTED = 2
    """Unknown device, wrong proof or revoked: deliberately not told apart. Ask the centre."""
    GREETING_EXPECTED = 3
    """The first message of a session must be a greeting."""
    BAD_FRAME = 20
    """The bytes are no frame: a length over the limit. The session ends, as the place of the next
    frame is unknown."""
    UNKNOWN_MESSAGE = 21
    """The tag means nothing to this gateway, which may be older than the handset."""
    MALFORMED_MESSAGE = 22
    """A known tag with fields of wrong type, number or range."""
    UNEXPECTED_MESSAGE = 23
    """A known message that this side never sends, or not now."""
    UNKNOWN_EDITION = 40
    """The gateway does not have this edition of the code tables."""
    UNKNOWN_CLASS = 41
    """The class code does not stand in the edition's table for this kind."""
    UNKNOWN_GRID = 42
    """The unit grid has a wrong number of digits or begins with no street of the edition."""
    BAD_POSITION = 43
    """Latitude or longitude beyond the Earth."""
    BAD_TIME = 44
    """Observed before 2000, or more than a day ahead of the gateway's clock."""
    BAD_TEXT = 45
    """The description does not decode, is too long or holds a control character."""
    BAD_COMPONENT = 46
    """The component identity has a wrong number of digits."""
    BAD_TRAITS = 47
    """An urgency or patrol kind that the protocol does not define."""
    SEQUENCE_CONFLICT = 48
    """A different report is stored under this sequence number. Begin a new installation and send
    the report again under a new number."""
    UNSTORABLE = 49
    """The database refused the row. Tell the centre: the report is kept in quarantine."""
    UNKNOWN_TASK = 50
    """An answer to a task that this device was never given. Delete the answer."""
    BAD_ANSWER = 51
    """No answer that the kind of the task takes, or a text that does not decode, is too long or
    holds a control character. Ask the inspector again."""
    BUSY = 60
    """No room just now. Send again after the time stated."""
    TOO_MANY_REPORTS = 61
    """More than this device's share. Send again after the time stated; nothing of it was kept."""


@unique
class Resend(IntEnum):
    """What the sender of the refused thing must do with it."""

    NEVER = 0
    """It will not be accepted in this form. The gateway keeps it in quarantine: take it out of
    the outbox and show the inspector the reason."""
    LATER = 1
    """Keep it and send it again, at the earliest after the seconds stated."""


@unique
class GoodbyeReason(IntEnum):
    """Why a session ends. The numbers never change their meaning."""

    NORMAL = 0
    """Nothing more to say."""
    SHUTTING_DOWN = 1
    """The gateway stops or restarts. Connect again after the seconds stated, with jitter."""
    IDLE = 2
    """Nothing was heard for the idle time-out."""
    REPLACED = 3
    """The same device opened a newer session."""
    PROTOCOL_ERROR = 4
    """The peer broke the protocol; the refusal before this says how."""
    NOT_ADMITTED = 5
    """The greeting was refused; the refusal before this says why."""
    GREETING_TIMEOUT = 6
    """No complete greeting arrived in time."""
    TOO_MANY_ERRORS = 7
    """More bad frames than one session may send, or more than two windows of frames after a
    refusal that said to wait."""


class ProtocolError(Exception):
    """Base of the two below; never raised itself."""


class LocalProtocolError(ProtocolError):
    """Our own code called in the wrong order: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol forbids.

    `code` goes on the wire; the text is for the log.
    """

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
