"""The fixed inputs of every worked example in `docs/vectors.json` and `docs/protocol.md`.

Device, secret and nonces are made up and plain to see, so that nobody takes them for real ones.
"""

from collections.abc import Mapping
from typing import Final

from gateway.protocol.limits import HEARTBEAT_SECONDS, PROTOCOL_VERSION, WINDOW_REPORTS
from gateway.protocol.messages import Challenge, Hello, Message, Welcome
from gateway.protocol.proof import Greeting, derive_keys, device_proof, gateway_proof
from gateway.protocol.report import Kind, Patrol, Report, Track, TrackPoint, Urgency
from gateway.protocol.task_messages import Answer, Task, TaskAnswer, TaskKind
from gateway.protocol.text import encode_text
from gateway.reference import load_tables

TABLES: Final = load_tables()
EDITION: Final = TABLES.editions[1]

NOW: Final = 1_199_237_100
"""The gateway's clock in all examples: 2008-01-02T01:25:00Z."""

DEVICE: Final = 350_000_000_000_017
INSTALLATION: Final = 1_234_567_890
SECRET: Final = bytes(range(32))
GATEWAY_NONCE: Final = bytes(range(0xA0, 0xAC))
DEVICE_NONCE: Final = bytes(range(0xC0, 0xCC))
SETTLED_THROUGH: Final = 41

MESSAGE_NAMES: Final[Mapping[str, str]] = {
    "WireReport": "report",
    "WireBacklog": "backlog",
    "WireTrack": "track",
    "TaskNoted": "task-noted",
    "TaskAnswer": "task-answer",
    "TaskReceipt": "task-receipt",
    "TaskWithdrawal": "task-withdrawal",
}
"""Where the name in the document is not that of the class in lower case."""


def message_name(kind: type[Message]) -> str:
    """What the document calls a message."""
    return MESSAGE_NAMES.get(kind.__name__, kind.__name__.lower())


def greeting(*, over_mqtt: bool = False) -> Greeting:
    """What both proofs of the examples cover."""
    return Greeting(b"" if over_mqtt else GATEWAY_NONCE, DEVICE_NONCE, DEVICE, INSTALLATION)


def challenge() -> Challenge:
    """The first frame of the example session."""
    return Challenge(PROTOCOL_VERSION, GATEWAY_NONCE)


def hello(*, over_mqtt: bool = False) -> Hello:
    """The greeting of the example device."""
    return Hello(
        version=PROTOCOL_VERSION,
        device=DEVICE,
        installation=INSTALLATION,
        settled_through=SETTLED_THROUGH,
        nonce=DEVICE_NONCE,
        proof=b"" if over_mqtt else device_proof(SECRET, greeting()),
        edition=1,
    )


def welcome(*, over_mqtt: bool = False, refused: tuple[tuple[int, int], ...] = ()) -> Welcome:
    """The gateway's answer to it."""
    return Welcome(
        version=PROTOCOL_VERSION,
        proof=gateway_proof(derive_keys(SECRET), greeting(over_mqtt=over_mqtt)),
        server_time=NOW,
        settled_through=SETTLED_THROUGH,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        window_reports=WINDOW_REPORTS,
        edition=TABLES.current,
        refused=list(refused),
    )


ORDINARY: Final = Report(
    sequence=42,
    edition=1,
    observed_at=1_199_237_025,
    kind=Kind.EVENT,
    class_code=102,
    urgency=Urgency.ORDINARY,
    simple=False,
    patrol=Patrol.ROUTINE,
    grid=44_030_700_300_101,
    lat_e5=2_265_612,
    lon_e5=11_415_123,
    accuracy_m=8,
    description="新木路12号门前有暴露垃圾，影响市容。",
    pictures=1,
    component=None,
)
"""暴露垃圾, exposed refuse, in 平湖街道."""

COMPONENT: Final = Report(
    sequence=43,
    edition=1,
    observed_at=1_199_237_061,
    kind=Kind.COMPONENT,
    class_code=103,
    urgency=Urgency.DIFFICULT,
    simple=True,
    patrol=Patrol.SPECIAL,
    grid=44_030_700_300_102,
    lat_e5=2_265_590,
    lon_e5=11_415_140,
    accuracy_m=5,
    description="井盖松动",
    pictures=0,
    component=4_403_070_103_000_417,
)
"""雨水井盖, a rainwater manhole cover, with its identity."""

EMERGENCY: Final = Report(
    sequence=44,
    edition=1,
    observed_at=1_199_237_090,
    kind=Kind.EVENT,
    class_code=406,
    urgency=Urgency.EMERGENCY,
    simple=False,
    patrol=Patrol.HOTLINE,
    grid=44_030_700_300_101,
    lat_e5=2_265_601,
    lon_e5=11_415_131,
    accuracy_m=12,
    description="",
    pictures=2,
    component=None,
)
"""道路积水, a flooded road. No text: the class says it all."""

BACKLOG: Final = (ORDINARY, COMPONENT, EMERGENCY)
"""For the example of a backlog only: a real handset sends the emergency alone, and first."""

TRACK: Final = Track(
    sequence=45,
    edition=1,
    points=(
        TrackPoint(1_199_236_800, 2_265_580, 11_415_100, 6),
        TrackPoint(1_199_236_920, 2_265_597, 11_415_112, 9),
        TrackPoint(1_199_237_040, 2_265_612, 11_415_123, 8),
    ),
)
"""Four minutes of a round, a position every two minutes."""

VERIFY: Final = Task(
    task=1_001,
    kind=TaskKind.VERIFY.value,
    issued_at=NOW - 600,
    expires_at=NOW + 86_400,
    text=encode_text("居民反映新木路12号门前雨水井盖松动，请到现场核实。"),
    case_number="LG-2008-000417",
    grid=44_030_700_300_102,
    lat_e5=2_265_590,
    lon_e5=11_415_140,
    pictures=["https://pictures.example/417-1.jpg"],
)
"""核实 of a loose manhole cover that a citizen reported."""

VERIFIED: Final = TaskAnswer(
    task=1_001,
    answer=Answer.EXISTS.value,
    answered_at=NOW + 900,
    text=encode_text("井盖松动，已设围挡。"),
)
"""It is there, a quarter of an hour later."""
