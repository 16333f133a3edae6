"""Where the corpus begins: what is shipped and documented, as input of each target.

`python -m fuzz.seeds` adds what is missing to the corpus.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from device_sim.centre import TASK_CHANGED, TASK_REQUEST_DECIDED
from gateway.cost import templates

ROOT: Final = Path(__file__).parents[1]
CORPUS: Final = Path(__file__).with_name("corpus")

_DEVICE, _GREETED, _PEEK, _TWICE = 1, 2, 4, 8
"""Kinds of sessions of the target `frames`."""
_PIECES: Final = (bytes((255, 255)), bytes((2, 6)))
_REQUEST: Final[dict[str, Any]] = {
    "id": "r1",
    "kind": "verify",
    "to": {"device": 1},
    "text": "请核实人民路口的井盖",
    "expires_at": "2008-01-03T00:00:00+08:00",
}
_WHOLE_REQUEST: Final = {
    **_REQUEST,
    "to": {"street": "440307003"},
    "case_number": "SZ-2008-1",
    "grid": "44030700300101",
    "position": {"lat": 22.72, "lon": 114.25},
    "pictures": ["https://example.org/1.jpg"],
    "not_before": "2008-01-02T00:00:00Z",
    "supersedes": "r0",
}
_SECRET: Final = "000102030405060708090a0b0c0d0e0f"  # noqa: S105 - of nobody
_PACKETS: Final = (
    "2003000000",
    "20020000",
    "9003000100",
    "900400010000",
    "400200ff",
    "d000",
    "e000",
    "30080003612f6200c001",
    "3207000161000700c0",
    "32130001610007080301782600016b0001766162",
)
"""CONNACK, SUBACK, PUBACK, PINGRESP, DISCONNECT and PUBLISH."""
_EVENT: Final = {
    "id": "e1",
    "type": TASK_CHANGED,
    "sequence": "0001",
    "data": {"request": "r1", "device": 1, "state": "answered", "late_answer": False},
}
_DECISION: Final = {
    "id": "e2",
    "type": TASK_REQUEST_DECIDED,
    "sequence": "0002",
    "data": {"request": "r1", "action": "request", "accepted": False, "reason": "to: nobody"},
}


def _vectors() -> dict[str, Any]:
    text = (ROOT / "docs" / "vectors.json").read_text(encoding="utf-8")
    vectors: dict[str, Any] = json.loads(text)
    return vectors


def _frames() -> Iterator[bytes]:
    vectors = _vectors()
    streams: dict[int, bytes] = {0: b"", _DEVICE: b""}
    for frame in vectors["frames"]:
        side = _DEVICE if frame["direction"] == "gateway to device" else 0
        stream = bytes.fromhex(frame["tcp_frame"])
        streams[side] = (streams[side] + stream)[-600:] if len(stream) < 600 else stream  # noqa: PLR2004 - as many as an input holds
        for kind in (side | _GREETED | _TWICE, side):
            yield bytes((kind | _PEEK,)) + _PIECES[1] + stream
    for side, stream in streams.items():
        yield bytes((side | _GREETED | _TWICE,)) + _PIECES[0] + stream
    hello = next(frame for frame in vectors["frames"] if frame["name"] == "hello-tcp")
    for bad in vectors["bad_frames"]:
        begins_before = bad["state"] == "await hello"
        greeting = b"" if begins_before else bytes.fromhex(hello["tcp_frame"])
        if bad.get("tcp_frame"):
            stream = greeting + bytes.fromhex(bad["tcp_frame"]) + b"\x02\x91\x08"
            yield bytes((_PEEK,)) + _PIECES[1] + stream


def _bodies() -> Iterator[bytes]:
    vectors = _vectors()
    for frame in (*vectors["frames"], *vectors["bad_frames"]):
        if frame["body"]:
            yield bytes.fromhex(frame["body"])


def _columns() -> Iterator[bytes]:
    for flags in range(64):
        yield bytes((flags, 2, 1, 41, 0, 0, 0)) + bytes(range(24)) + "井盖破损".encode()


def _texts() -> Iterator[bytes]:
    for text in _vectors()["texts"]:
        plain = text["text"].encode()
        yield b"\0\0" + plain
        yield b"\1\3" + text["text"].encode("gb18030")
        yield b"\3\2" + text["text"].encode("gb18030")
        yield b"\4\377" + text["text"].encode("gb18030")
        if "deflate" in text["forms"]:
            deflated = bytes.fromhex(text["forms"]["deflate"])
            yield b"\2\1" + deflated[2 if len(deflated) < 258 else 3 :]  # noqa: PLR2004 - msgpack's header


def _acks() -> Iterator[bytes]:
    for through in (0, 41, 2**31 - 2):
        for steps in (b"\x48\x48\x00\x50", b"\x58\x58\x00\x40\x20", bytes(range(0, 256, 16))):
            yield through.to_bytes(4, "little") + steps
    for ack in _vectors()["acks"]:
        yield bytes(4) + bytes.fromhex(ack["body"])[2:]


def _topics() -> Iterator[bytes]:
    for topic in ("fg/1/350000000000017/up/1234567890", "1/up/0", "9007199254740991", "2147483647"):
        yield topic.encode()


def _requests() -> Iterator[bytes]:
    for request in (_REQUEST, _WHOLE_REQUEST, {**_REQUEST, "to": {"all": True}}):
        yield json.dumps(request, ensure_ascii=False).encode()
    yield b'{"id":"r1","reason":"no longer"}'
    yield b'{"id":"r1"}'


def _settings() -> Iterator[bytes]:
    text = (ROOT / "deploy" / "gateway.example.toml").read_text(encoding="utf-8")
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("#") and " = " in line:
            setting = line[1:]
            yield f"{section}\n{setting}\n".encode()
            name, _, value = setting.partition(" = ")
            variable = f"{section.strip('[]')}__{name}" if section else name
            yield f"\0{variable.upper()}={value.strip(chr(34))}".encode()


def _tariffs() -> Iterator[bytes]:
    for file in sorted((ROOT / "gateway" / "tariffs").glob("*.toml")):
        text = file.read_text(encoding="utf-8")
        yield re.sub(r'(?<=^source = ").*(?="$)', "x", text, flags=re.MULTILINE).encode()


def _templates() -> Iterator[bytes]:
    for template in (templates.REPORT, templates.CONFIRMATION, templates.TASK, templates.ANSWER):
        yield template.encode()
    yield b"{{}}{description:.20}{observed_at:%Y}{lat:.5f}{sequence:04d}"


def _devices() -> Iterator[bytes]:
    yield f"device,secret,label,street\n4403070001,{_SECRET},a,440307003\n2,{_SECRET},,\n".encode()
    yield f'secret,device\n{_SECRET},1\n"{_SECRET}","2"\n'.encode()


def _fleet() -> Iterator[bytes]:
    yield from _devices()
    yield f"device,secret,transport,street\n1,{_SECRET},tcp,440307003\n2,{_SECRET},mqtt,\n".encode()


def _packets() -> Iterator[bytes]:
    for version in (0, 1):
        for packet in _PACKETS:
            yield bytes((version, 3)) + bytes.fromhex(packet)
        yield bytes((version, 7)) + bytes.fromhex("".join(_PACKETS))


def _centre() -> Iterator[bytes]:
    for event in (_EVENT, _DECISION):
        yield json.dumps(event).encode()


def _arguments() -> Iterator[bytes]:
    for text in (
        *("2008-01-01/2008-03-31", "2026-11-24", "2026-03-01T08:00+08:00"),
        *("127.0.0.1:7440", "[::1]:1883", "max", "20.5"),
    ):
        yield text.encode()


SEEDS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "frames": _frames,
    "bodies": _bodies,
    "columns": _columns,
    "texts": _texts,
    "acks": _acks,
    "topics": _topics,
    "requests": _requests,
    "settings": _settings,
    "tariffs": _tariffs,
    "templates": _templates,
    "devices": _devices,
    "arguments": _arguments,
    "fleet": _fleet,
    "packets": _packets,
    "centre": _centre,
}


def file_name(data: bytes) -> str:
    """The name of an input in the corpus: that of its content, as libFuzzer gives it."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def write_seeds(corpus: Path = CORPUS) -> None:
    """Add the seeds to the corpus."""
    for name, seeds in SEEDS.items():
        folder = corpus / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds():
            (folder / file_name(seed)).write_bytes(seed)


if __name__ == "__main__":
    write_seeds()
