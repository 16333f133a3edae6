"""Write the worked examples of `docs/protocol.md`: proofs, bytes, tables, a conversation.

Run `python -m scripts.make_worked_examples` after a change of the protocol; a test fails until the
document agrees.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgpack
import msgspec

from gateway.protocol.acks import covered
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import decode, encode
from gateway.protocol.report import Report
from gateway.protocol.text_dictionary import DICTIONARY_1
from gateway.protocol.wire_report import pack_backlog, pack_report
from scripts import wire_examples as given
from scripts.conversation import converse
from scripts.make_state_diagrams import DOCUMENT
from scripts.marked_blocks import replace_blocks
from scripts.proof_steps import proof_steps
from scripts.vectors_frames import frame_vectors
from scripts.vectors_tasks import task_frame_vectors
from scripts.vectors_values import ack_examples

BYTE_COST_EXAMPLES = (
    "challenge",
    "hello-tcp",
    "welcome-tcp",
    "report-ordinary",
    "report-text-gb18030",
    "report-text-utf8",
    "report-component",
    "report-emergency",
    "backlog",
    "track",
    "ack-cumulative",
    "ack-two-ranges",
    "refusal-report",
    "ping",
    "goodbye",
    "task-verify",
    "task-notice",
    "task-noted-received",
    "task-answer",
    "task-receipt-accepted",
    "task-withdrawal-cancelled",
)


def blocks() -> dict[str, str]:
    """The generated blocks of the document, the state diagrams excepted."""
    return {
        "proofs": proofs(),
        "editions": editions(),
        "report bytes": report_bytes(),
        "dictionary": dictionary(),
        "backlog": backlog(),
        "acks": acks(),
        "byte costs": byte_costs(),
        "conversation": conversation(),
    }


def proofs() -> str:
    """Both proofs from the secret on."""
    greeting = given.greeting()
    inputs: dict[str, object] = {
        "secret": given.SECRET.hex(),
        "device": given.DEVICE,
        "installation": given.INSTALLATION,
        "gateway's nonce": greeting.gateway_nonce.hex(),
        "device's nonce": greeting.device_nonce.hex(),
    }
    steps = {name: value.hex() for name, value in proof_steps(given.SECRET, greeting).items()}
    return _table(("value", "example"), ((f"`{k}`", f"`{v}`") for k, v in (inputs | steps).items()))


def editions() -> str:
    """The constants of every edition that the gateway has."""
    heads = ("edition", "tables", "district", "origin north", "origin east", "grid digits")
    rows = (
        (e.number, e.name, e.district, e.lat0_e5, e.lon0_e5, e.grid_digits, e.class_digits)
        for e in given.TABLES.editions.values()
    )
    return _table((*heads, "class digits"), rows)


def report_bytes() -> str:
    """A report field by field."""
    wire = pack_report(given.ORDINARY, given.EDITION)
    fields = dict(zip(wire.__struct_fields__, msgspec.structs.astuple(wire), strict=True))
    del fields["component"]
    body = encode(wire)
    rows = [("length", len(body), encode_frame(body)[:1].hex()), ("array of 12", "", "9c")]
    rows.append(("tag", 3, "03"))
    rows += [(f"`{k}`", _shown(v), msgpack.packb(v).hex()) for k, v in fields.items()]
    if "".join(row[2] for row in rows) != encode_frame(body).hex():
        raise AssertionError("the bytes of the fields are not those of the frame")
    return _table(("part", "value", "bytes"), ((a, b, f"`{c}`") for a, b, c in rows))


def _shown(value: object) -> object:
    return f"deflated: {given.ORDINARY.description}" if isinstance(value, bytes) else value


def dictionary() -> str:
    """How to know that one has the right dictionary."""
    plain = DICTIONARY_1.encode("gb18030")
    return _table(
        ("dictionary 1", "value"),
        (
            ("characters", f"{len(DICTIONARY_1):,}"),
            ("bytes in GB18030", f"{len(plain):,}"),
            ("SHA-256 of these bytes", f"`{hashlib.sha256(plain).hexdigest()}`"),
        ),
    )


def backlog() -> str:
    """Full values of three reports beside their columns on the wire."""
    reports = given.BACKLOG
    wire = pack_backlog(reports, given.EDITION)
    singles = [pack_report(report, given.EDITION) for report in reports]
    rows: list[tuple[str, list[Any], Any, str]] = [
        ("`times`", [r.observed_at for r in reports], wire.times, "differences"),
        ("`class_codes`", [r.class_code for r in reports], wire.class_codes, "as they are"),
        ("`traits`", [_traits(r) for r in reports], wire.traits, "packed"),
        ("`grids`", [single.grid for single in singles], wire.grids, "differences"),
        ("`lats`", [single.lat for single in singles], wire.lats, "differences"),
        ("`lons`", [single.lon for single in singles], wire.lons, "differences"),
        ("`accuracies_m`", [r.accuracy_m for r in reports], wire.accuracies_m, "as they are"),
        ("`pictures`", [r.pictures for r in reports], wire.pictures, "as they are"),
        ("`texts`", [r.description for r in reports], "one text", "joined by U+000A"),
        ("`components`", [_or_nil(s.component) for s in singles], wire.components, "as they are"),
    ]
    for name, values, column, how in rows:
        if how == "differences" and list(accumulate(column)) != values:
            raise AssertionError(f"{name} does not add up")
    first = f"`first_sequence` {wire.first_sequence}, `edition` {wire.edition}. Columns:\n\n"
    heads = ("column", *(f"report {r.sequence}" for r in reports), "on the wire", "how")
    return first + _table(
        heads,
        ((name, *values, _or_nil(column), how) for name, values, column, how in rows),
    )


def _traits(report: Report) -> str:
    simple = int(report.simple)
    return f"{report.kind} + 2·{report.urgency} + 8·{simple} + 16·{report.patrol}"


def _or_nil(value: object) -> object:
    if isinstance(value, list):
        return "[" + ", ".join(str(_or_nil(item)) for item in value) + "]"
    return "nil" if value is None else value


def acks() -> str:
    """What some acks cover."""
    rows = (
        (
            f"`{encode(ack).hex()}`",
            ack.through,
            ack.ranges,
            ", ".join(_run(run) for run in covered(ack) if run) or "nothing",
        )
        for _, ack in ack_examples()
    )
    return _table(("body", "`through`", "`ranges`", "covers"), rows)


def _run(run: Sequence[int]) -> str:
    return f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0])


def byte_costs() -> str:
    """Bytes of the example frames, with and without their texts."""
    frames = {vector["name"]: vector for vector in (*frame_vectors(), *task_frame_vectors())}
    rows = []
    for name in BYTE_COST_EXAMPLES:
        size = len(frames[name]["tcp_frame"]) // 2
        text = _text_bytes(frames[name]["body"])
        rows.append((f"`{name}`", size, size - text if text else "", frames[name]["notes"]))
    return _table(("frame", "bytes", "all but the text", ""), rows)


def _text_bytes(body: str) -> int:
    """Bytes of the text in a body, its msgpack header included; 0 where there is none."""
    message = decode(bytes.fromhex(body))
    texts = getattr(message, "text", None) or getattr(message, "texts", None)
    return len(msgspec.msgpack.encode(texts)) if texts else 0


def conversation() -> str:
    """A whole session."""
    lines = (f"{line.sender}  {line.frame.hex()}\n   {line.meaning}" for line in converse())
    return "\n".join(("```text", *lines, "```"))


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "\n".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def main() -> None:
    """Write the examples into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replace_blocks(text, blocks()), encoding="utf-8")


if __name__ == "__main__":
    main()
