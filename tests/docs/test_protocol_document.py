"""`docs/protocol.md` states every message, field, code, reason and limit, and no stale ones."""

import re
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gateway.protocol import limits, text, topics
from gateway.protocol.errors import GoodbyeReason, RefusalCode, Resend
from gateway.protocol.messages import MESSAGES, Message
from gateway.protocol.report import Kind, Patrol, Urgency
from gateway.protocol.state import TRANSITIONS
from gateway.protocol.task_messages import (
    ANSWERS,
    TASK_MESSAGES,
    Answer,
    Noted,
    Receipt,
    TaskKind,
    Withdrawal,
)
from gateway.settings import TcpSettings
from scripts.wire_examples import message_name
from tests.helpers.bad_vectors import EXPECTED
from tests.helpers.markdown import code, number, rows, section_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
TAGS = {message_name(kind): cast("int", kind.__struct_config__.tag) for kind in MESSAGES}
LIMITS = {
    name: value for name, value in vars(limits).items() if name.isupper() and type(value) is int
}


def section(title: str) -> str:
    """The part of the document under this heading."""
    return section_of(DOCUMENT, title)


def test_the_list_of_messages_is_that_of_the_code() -> None:
    """Every message stands in the list with its tag, in order, and no other."""
    listed = [(number(tag), name) for tag, name, *_ in rows(section("3. Messages"), "tag")]
    names = [(tag, re.sub(r"\[([\w-]+)\]\(.*\)", r"\1", name)) for tag, name in listed]
    assert names == [(tag, name) for name, tag in TAGS.items()]


def test_every_message_has_its_section() -> None:
    """No section describes a message that does not exist."""
    headings = re.findall(r"^### ([\w-]+) \(tag (\d+)\)$", DOCUMENT, re.MULTILINE)
    assert {name.lower(): int(tag) for name, tag in headings} == TAGS


@pytest.mark.parametrize("kind", MESSAGES, ids=message_name)
def test_fields_stand_with_position_range_and_default(kind: type[Message]) -> None:
    """The layout table of a message is its class."""
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    name = message_name(kind)
    markdown = section(rf"{name.capitalize()} \(tag")
    if not fields:
        assert "| position |" not in markdown
        return
    written = [
        (int(place), code(field), *rest[:3]) for place, field, *rest in rows(markdown, "position")
    ]
    assert written == [
        (place, field.name, *_type_and_range(field.type), _when_absent(field))
        for place, field in enumerate(fields, start=1)
    ]


def _type_and_range(kind: Any) -> tuple[str, str]:
    """How the document writes a type and its range."""
    match kind:
        case msgspec.inspect.IntType(ge=None):
            written = "int", "any"
        case msgspec.inspect.IntType(ge=low, le=high):
            written = "int", f"{low:,} to {high:,}"
        case msgspec.inspect.BytesType(min_length=low, max_length=high):
            written = "bin", f"{high} bytes" if low == high else f"0 to {high} bytes"
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            written = "str", f"{low or 0} to {high} characters"
        case msgspec.inspect.AnyType():
            written = "text", "a text"
        case msgspec.inspect.UnionType(types=(first, msgspec.inspect.NoneType())):
            name, spread = _type_and_range(first)
            written = f"{name} or nil", f"{spread} or nil"
        case msgspec.inspect.ListType(item_type=item, min_length=low, max_length=high):
            how_many = "any number" if high is None else f"{low or 0} to {high}"
            written = "array", f"{how_many} of {_type_and_range(item)[1]}"
        case msgspec.inspect.TupleType(item_types=items):
            written = "array", f"[{', '.join(_type_and_range(item)[1] for item in items)}]"
        case _:
            raise AssertionError(f"the document has no words for {kind}")
    return written


def _when_absent(field: Any) -> str:
    if field.required:
        return "–"
    if field.default is msgspec.NODEFAULT:
        return str(field.default_factory())
    return {None: "nil", "": '""'}.get(field.default, str(field.default))


def test_refusal_codes_stand_with_number_and_name() -> None:
    """Every code stands in the table, and no other."""
    table = rows(section("13. Refusals"), "code")
    assert [(int(row[0]), code(row[1])) for row in table] == [
        (c.value, c.name) for c in RefusalCode
    ]


def test_refusal_table_says_what_the_vectors_hold() -> None:
    """Whether to send again and whether the session goes on is what a ready gateway does."""
    table = {int(row[0]): (row[2], row[3]) for row in rows(section("13. Refusals"), "code")}
    for name, (refusal, _, goes_on) in EXPECTED.items():
        if not name.endswith("-before-greeting") and not name.startswith("hello-"):
            assert table[refusal] == (("never", "goes on") if goes_on else ("later", "ends")), name
    assert {resend for resend, _ in table.values()} == {resend.name.lower() for resend in Resend}


def test_every_refusal_tells_the_handset_what_to_do() -> None:
    """No cell of meaning or duty is empty."""
    assert all(row[4] and row[5] for row in rows(section("13. Refusals"), "code"))


def test_goodbye_reasons_stand_with_number_and_name() -> None:
    """Every reason stands in the table, and no other."""
    table = rows(section("14. The end of a session"), "reason")
    assert [(int(row[0]), code(row[1])) for row in table] == [
        (reason.value, reason.name) for reason in GoodbyeReason
    ]
    assert all(row[3] and row[4] for row in table)


def test_limits_stand_with_value_and_reason() -> None:
    """Every number of `limits` stands in the table, and no other."""
    table = rows(section("15. Limits and time-outs"), "name")
    assert {code(row[0]): number(row[1]) for row in table} == LIMITS
    assert all(row[2] and row[3] for row in table)


def test_every_limit_that_is_named_exists() -> None:
    """Names in capitals anywhere in the text are limits, codes or reasons of the code."""
    named = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", DOCUMENT))
    codes = (RefusalCode, GoodbyeReason, TaskKind, Answer, Receipt)
    assert named <= LIMITS.keys() | {name for kind in codes for name in kind.__members__}


def test_reserved_tags_are_not_in_use() -> None:
    """What is reserved for what follows is free, and tasks have their own tags and no others."""
    text = " ".join(section("3. Messages").split())
    assert "Tags 16 to 31 are for tasks; of them 21 to 31 are not yet in use." in text
    assert "Tags 32 to 47 are reserved for pictures, 48 to 63 for the component census." in text
    tasks = {cast("int", kind.__struct_config__.tag) for kind in TASK_MESSAGES}
    assert tasks == set(range(16, 21))
    assert max(set(TAGS.values()) - tasks) < 11


def test_kinds_answers_and_receipts_of_tasks_are_those_of_the_code() -> None:
    """Every number stands with its name, and each kind with the answers that suit it."""
    markdown = section("11. Tasks")
    for head, numbers in (("kind", TaskKind), ("answer", Answer), ("receipt", Receipt)):
        table = rows(markdown, head)
        assert [(int(row[0]), code(row[1])) for row in table] == [
            (n.value, n.name) for n in numbers
        ]
        assert all(all(row) for row in table)
    for row in rows(markdown, "kind"):
        suiting = {f"{answer.value} `{answer.name}`" for answer in ANSWERS[TaskKind(int(row[0]))]}
        assert set(row[3].split(", ")) == (suiting or {"none"})


def test_small_numbers_of_tasks_are_explained() -> None:
    """What is noted and why a task is withdrawn has a sentence for each number."""
    for name, field, numbers in (
        ("Task-noted", "what", Noted),
        ("Task-withdrawal", "reason", Withdrawal),
    ):
        table = {code(row[1]): row[5] for row in rows(section(rf"{name} \(tag"), "position")}
        stated = [int(found) for found in re.findall(r"(?:^|\. )(\d): ", table[field])]
        assert stated == [number.value for number in numbers]


def test_traits_say_every_value() -> None:
    """Kinds, urgencies and patrols stand with their numbers."""
    table = {row[1]: row[2] for row in rows(section("7. What a report says"), "bits")}
    for kind, cell in ((Kind, "kind"), (Urgency, "urgency"), (Patrol, "patrol")):
        numbers = [int(found) for found in re.findall(r"(?:^|, )(\d) ", table[cell])]
        assert numbers == [member.value for member in kind]


def test_texts_say_the_numbers_of_the_code() -> None:
    """Type number, windows and the characters on which editions of GB18030 differ."""
    markdown = section("8. Texts")
    assert f"ext, type {text.GB18030_EXT_TYPE}" in markdown
    assert f"windowBits {text._COMPRESSOR_WINDOW_BITS}" in " ".join(markdown.split())
    assert f"memLevel {text._MEMORY_LEVEL}" in markdown
    assert f"inflateInit2({text._EXPANDER_WINDOW_BITS})" in markdown
    stated = re.findall(r"U\+([0-9A-F]{4,5})(?:\s+to\s+U\+([0-9A-F]{4,5}))?", markdown)
    spans = [(int(first, 16), int(last or first, 16)) for first, last in stated if first != "000A"]
    differing = {c for first, last in spans for c in range(first, last + 1)}
    assert differing == {c for c in range(0x110000) if text._EDITIONS_DIFFER.match(chr(c))}


def test_topics_are_those_of_the_code() -> None:
    """What a handset publishes and subscribes to is what the gateway does."""
    table = rows(section("18. MQTT"), "what")
    up, down = (
        topic(7, 9).replace("/7/", "/<device>/") for topic in (topics.up_topic, topics.down_topic)
    )
    assert code(table[0][1]) == up.replace("/9", "/<installation>")
    assert code(table[1][1]) == code(table[0][2]) == down.replace("/9", "/<installation>")
    assert code(topics.UP_FILTER) in table[1][2]
    assert topics.shared("gateway", topics.UP_FILTER) in table[1][2]
    assert any(code(row[1]) == topics.CONTENT_TYPE for row in table)


def test_port_is_the_setting() -> None:
    """A handset that is told no port finds the gateway."""
    assert f"port {TcpSettings().port} unless" in section("2. Framing")


def test_time_outs_name_every_waiting_state() -> None:
    """A state in which a side may wait has a row, and no row names a state that is not there."""
    stated = {
        (row[0], state)
        for row in rows(section("16. States"), "role")
        for state in re.split(", ", row[1])
    }
    for role, table in TRANSITIONS.items():
        if role.value == "gateway":
            waiting = {state.value for state, inputs in table.items() if inputs}
            assert {state for name, state in stated if name == role.value} == waiting


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+?)\)", DOCUMENT))))
def test_links_lead_somewhere(target: str) -> None:
    """A file that the document points to exists."""
    if not target.startswith("https://"):
        assert (ROOT / "docs" / target).exists()


def test_anchors_lead_somewhere() -> None:
    """A section that the document points to exists."""
    headings = re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", DOCUMENT)) <= anchors


def test_sections_are_called_by_their_number() -> None:
    """A link that names a section's number leads to the section of that number."""
    linked = re.findall(r"\[[Ss]ection (\d+)\]\(#(\d+)-", DOCUMENT)
    assert linked
    assert all(stated == leads_to for stated, leads_to in linked)
