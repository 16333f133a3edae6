"""Every vector of `docs/vectors.json` is true: by another msgpack, by the code and by hand."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from gateway.handlers import HANDLERS
from gateway.handlers.context import Context
from gateway.protocol import proof
from gateway.protocol.acks import covered
from gateway.protocol.errors import GoodbyeReason, RefusalCode
from gateway.protocol.framing import FrameBuffer
from gateway.protocol.messages import (
    MESSAGES,
    Ack,
    Message,
    WireBacklog,
    WireReport,
    WireTrack,
    decode,
    encode,
)
from gateway.protocol.state import State
from gateway.protocol.text import decode_text
from gateway.protocol.wire_report import unpack_backlog, unpack_report, unpack_track
from gateway.reference import load_tables
from scripts.vectors_bad import connection_in
from tests.helpers.bad_vectors import EXPECTED
from tests.helpers.deflate import SAME_DEFLATE, WHY_NOT

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "vectors.json").read_text(encoding="utf-8")
)
FRAMES = {vector["name"]: vector for vector in VECTORS["frames"]}
BAD = {vector["name"]: vector for vector in VECTORS["bad_frames"]}
TEXTS = {vector["name"]: vector for vector in VECTORS["texts"]}
TABLES = load_tables()
EDITION = TABLES.editions[1]

GOLDEN = {
    "challenge": "11 93 00 01 c4 0c a0a1a2a3a4a5a6a7a8a9aaab",
    # tag, version, device, installation, settled through 41, nonce, proof of no bytes
    "hello-mqtt": "22 97 01 01 cf00013e52b9abe011 ce499602d2 29 c40cc0c1c2c3c4c5c6c7c8c9cacb c400",
    # edition 1, number 44, time, class 406, traits 1+2*2+16*2, grid 300101, 601, -13869, 12 m, 2
    "report-emergency": "1a 9b 03 01 2c ce477ae7e2 cd0196 25 ce00049445 cd0259 d1c9d3 0c 02",
    # times 1199236800 +120 +120, latitudes 580 +17 +15, longitudes -13900 +12 +11
    "track": "1c 97 07 01 2d 93ce477ae6c07878 93cd0244110f 93d1c9b40c0b 93060908",
    "ack-two-ranges": "08 93 05 2a 94 02 03 0a 01",
    "refusal-busy": "07 96 06 3c 01 2b 01 1e",
    "goodbye-shutting-down": "04 93 0a 01 0f",
    "ping": "02 91 08",
    # task 1002, passed, at 1199237100 + 1800
    "task-answer-without-text": "0b 94 12 cd03ea 03 ce477aeef4",
    # task 2^53-1, notice, 1199237100 to 1199244300, text of 2 and 9 bytes
    "task-notice": "22 96 10 cf001fffffffffffff 02 ce477ae7ec ce477b040c"
    " ab 3134 e782b9 e5bc80 e4bc9a",
    "task-noted-withdrawn": "06 93 11 cd03e9 01",
    "task-receipt-late": "06 93 13 cd03e9 01",
    "task-withdrawal-cancelled": "05 92 14 cd03e9",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_is_as_written_by_hand(name: str) -> None:
    """The frame is the one that the layout tables give without any code."""
    assert FRAMES[name]["tcp_frame"] == GOLDEN[name].replace(" ", "")


@pytest.mark.parametrize("name", FRAMES)
def test_fields_stand_at_their_places(name: str) -> None:
    """Read with the msgpack package, which the gateway does not use, the fields come in order."""
    vector = FRAMES[name]
    tag, *values = msgpack.unpackb(bytes.fromhex(vector["body"]))
    meaning = vector["meaning"]
    assert tag == meaning["tag"]
    shown = list(meaning["fields"].values())
    assert len(values) <= len(shown) or not vector["canonical"]
    for value, expected in zip(values, shown, strict=False):
        assert _as_shown(value, expected) == expected


@pytest.mark.parametrize("name", FRAMES)
def test_the_code_reads_and_writes_it(name: str) -> None:
    """Each frame is one message; what our encoder writes is the canonical form."""
    vector = FRAMES[name]
    frames = FrameBuffer()
    frames.feed(bytes.fromhex(vector["tcp_frame"]))
    body = frames.next_body()
    assert body == bytes.fromhex(vector["body"])
    assert len(frames) == 0
    assert (encode(_packable(decode(body))) == body) is vector["canonical"]


@pytest.mark.parametrize("name", [name for name in FRAMES if "reports" in FRAMES[name]])
def test_full_values_come_out(name: str) -> None:
    """What is relative on the wire becomes what the vector states in full."""
    message = decode(bytes.fromhex(FRAMES[name]["body"]))
    if isinstance(message, WireBacklog):
        reports = unpack_backlog(message, EDITION)
    else:
        assert isinstance(message, WireReport)
        reports = [unpack_report(message, EDITION)]
    assert [msgspec.to_builtins(report) for report in reports] == FRAMES[name]["reports"]


def test_track_comes_out() -> None:
    """The points are those that the vector states in full."""
    message = decode(bytes.fromhex(FRAMES["track"]["body"]))
    assert isinstance(message, WireTrack)
    track = msgspec.json.encode(unpack_track(message, EDITION))
    assert json.loads(track) == FRAMES["track"]["track"]


@pytest.mark.parametrize("name", TEXTS)
def test_text_reads_alike_in_every_form(name: str) -> None:
    """All forms of a text mean the same, and none is shorter than the one said to be."""
    vector = TEXTS[name]
    forms = {form: bytes.fromhex(value) for form, value in vector["forms"].items()}
    for value in forms.values():
        assert decode_text(msgspec.msgpack.decode(value), 500) == vector["text"]
    if SAME_DEFLATE:
        assert len(forms[vector["shortest"]]) == min(map(len, forms.values()))


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: str(vector["name"]))
def test_proofs_are_accepted(vector: dict[str, Any]) -> None:
    """The gateway admits the device, and the device believes the gateway."""
    secret = bytes.fromhex(vector["secret"])
    greeting = proof.Greeting(
        bytes.fromhex(vector["gateway_nonce"]),
        bytes.fromhex(vector["device_nonce"]),
        vector["device"],
        vector["installation"],
    )
    keys = proof.derive_keys(secret)
    assert keys.stored_key.hex() == vector["stored_key"]
    assert proof.verify_device_proof(keys, greeting, bytes.fromhex(vector["device_proof"]))
    assert proof.verify_gateway_proof(secret, greeting, bytes.fromhex(vector["gateway_proof"]))
    assert proof.mqtt_password(secret) == vector["mqtt_password"]


def test_ack_covers_what_is_said_by_hand() -> None:
    """Through 42, then three from 44, then 52 alone."""
    last = VECTORS["acks"][-1]
    assert last["covered"] == [[1, 42], [44, 46], [52, 52]]
    for vector in VECTORS["acks"]:
        ack = decode(bytes.fromhex(vector["body"]))
        assert isinstance(ack, Ack)
        stated = [range(first, last + 1) for first, last in vector["covered"]]
        assert list(chain(*covered(ack))) == list(chain(*stated))


def test_no_bad_vector_is_missing_or_stale() -> None:
    """The table written by hand and the file name the same vectors."""
    assert BAD.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_bad_frame_is_refused_as_said_by_hand(name: str) -> None:
    """Code, numbers and the end of the session are what the document's tables say."""
    vector, (code, numbers, goes_on) = BAD[name], EXPECTED[name]
    assert [refused["code"] for refused in vector["refused"]] == [code] * len(numbers)
    assert [refused["sequence"] for refused in vector["refused"]] == numbers
    assert vector["session_goes_on"] is goes_on
    assert {RefusalCode(r["code"]).name for r in vector["refused"]} == {
        r["name"] for r in vector["refused"]
    }


@pytest.mark.parametrize("name", [name for name in BAD if BAD[name]["state"] == "ready"])
def test_bad_frame_costs_only_itself(name: str) -> None:
    """After it the same session stores a good report, or has ended as the vector says."""
    vector = BAD[name]
    connection = connection_in(State.READY)
    connection.receive_data(bytes.fromhex(vector["tcp_frame"]), 0)
    while connection.next_event():
        pass
    if not vector["session_goes_on"]:
        assert connection.state is State.CLOSED
        assert connection.goodbye is not None
        assert GoodbyeReason(connection.goodbye.reason).name == vector["goodbye"]["name"]
        return
    connection.receive_data(bytes.fromhex(FRAMES["report-ordinary"]["tcp_frame"]), 0)
    event = connection.next_event()
    assert isinstance(event, WireReport)
    outcome = HANDLERS[type(event)](event, Context(TABLES, VECTORS["now"]))
    assert [report.sequence for report in outcome.reports] == [42]


@pytest.mark.skipif(not SAME_DEFLATE, reason=WHY_NOT)
def test_every_message_and_every_code_has_a_vector() -> None:
    """Nothing of the protocol is left without an example that a client can be tested with."""
    tags = {kind.__struct_config__.tag for kind in MESSAGES}
    assert {vector["meaning"]["tag"] for vector in VECTORS["frames"]} == tags
    shown = {r["code"] for vector in VECTORS["bad_frames"] for r in vector["refused"]}
    shown |= {
        vector["meaning"]["fields"]["code"]
        for vector in VECTORS["frames"]
        if vector["meaning"]["message"] == "refusal"
    }
    # These two need a database to come about.
    needs_database = {RefusalCode.SEQUENCE_CONFLICT, RefusalCode.UNSTORABLE}
    assert shown == set(RefusalCode) - needs_database


def _packable(message: Message) -> Message:
    """The message with a text as the encoder takes it: our decoder has another type for ext."""
    text = getattr(message, "text", None)
    if isinstance(text, msgspec.msgpack.Ext):
        packable = msgpack.ExtType(text.code, bytes(text.data))
        return msgspec.structs.replace(message, text=packable)
    return message


def _as_shown(value: Any, expected: Any) -> Any:
    """A value of msgpack as the vectors write it; a text only by its form."""
    if isinstance(expected, dict):
        forms = {str: "utf8", bytes: "deflate", msgpack.ExtType: "gb18030"}
        return {"form": forms[type(value)], "text": expected["text"]}
    return value.hex() if isinstance(value, bytes) else value
