"""Templates of the old system's texts: what they may contain, and the ones that are shipped.

A template is text with fields in braces, as in `str.format`, but only fields that are known, each
with the formats that suit it, and nothing that reaches into a value: a setting must not be able to
run anything or to fill the memory.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, unique
from string import Formatter
from typing import Final

REPORT: Final = (
    "SB,{class_code:04d},{kind},{urgency},{flags},{grid},{lat:.5f},{lon:.5f},{accuracy_m},"
    "{observed_at:%Y%m%d%H%M%S},{pictures},{sequence},{component},{description}"
)
"""What the handsets of the time really sent is not known. This is an assumption [A], fair to SMS:
codes instead of names, no words that a program does not need, one separator. The device is not in
it: an SMS states its sender."""

CONFIRMATION: Final = "OK,{sequence}"
"""The shortest that says which report has arrived [A]."""

TASK: Final = "RW,{number},{kind},{case_number},{text}"
"""A task, as far as a handset needs it [A]."""

ANSWER: Final = "HF,{number},{answer},{text}"
"""An inspector's answer [A]."""


class TemplateError(Exception):
    """A template is malformed or names an unknown field; the message says which there are.

    Args:
        role: What the template is the text of: report, confirmation, task or answer.
        fault: What is wrong with it.
    """

    def __init__(self, role: str, fault: str) -> None:
        super().__init__(f"template of a {role}: {fault}")
        self.role = role
        self.fault = fault


@unique
class FieldKind(Enum):
    """What a field holds: its value is the pattern of the formats that it takes."""

    NUMBER = re.compile(r"(?:0?[0-9]{1,2})?d?")
    """A whole number, perhaps padded: `04d`."""
    DEGREES = re.compile(r"(?:(?:\.[0-9])?f)?")
    """With so many decimals: `.5f`. Without the letter they would be digits altogether."""
    TIME = re.compile(r"(?:%[YymdHMS]|[^%{}\x00\ud800-\udfff])*")
    """China time, with the codes of strftime for year to second: `%Y%m%d%H%M%S`. Braces would be
    fields within the format; strftime ends at a NUL and fails at half a character."""
    TEXT = re.compile(r"(?:\.[0-9]{1,3})?")
    """Perhaps cut to a length: `.20`."""


_EXAMPLES: Final = {
    FieldKind.NUMBER: "04d",
    FieldKind.DEGREES: ".5f",
    FieldKind.TIME: "%Y%m%d%H%M%S",
    FieldKind.TEXT: ".20",
}


class Template:
    """One template, checked.

    Args:
        role: What it is the text of, for messages.
        text: The text with fields in braces.
        fields: The fields that there are.

    Raises `TemplateError` for anything but known fields in formats that suit them.
    """

    def __init__(self, role: str, text: str, fields: Mapping[str, FieldKind]) -> None:
        self.names: list[str] = []
        """The fields that it has, in order; one may come twice."""
        positional = ""
        for literal, name, spec in _parts(role, text):
            positional += literal.replace("{", "{{").replace("}", "}}")
            if name is not None:
                _check(role, name, spec, fields)
                self.names.append(name)
                positional += f"{{:{spec}}}" if spec else "{}"
        self._fill = positional.format

    def fill(self, values: Iterable[object]) -> str:
        """The text with a value for each of `names`."""
        return self._fill(*values)


def _parts(role: str, text: str) -> Iterator[tuple[str, str | None, str]]:
    """Literal text, and the name and format of the field behind it."""
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            yield literal, f"{name}!{conversion}" if conversion else name, spec or ""
    except ValueError as error:
        fault = f"{error} (a brace that is meant as such is written twice)"
        raise TemplateError(role, fault) from None


def _check(role: str, name: str, spec: str, fields: Mapping[str, FieldKind]) -> None:
    kind = fields.get(name)
    if kind is None:
        fault = f"there is no field {{{name}}}; there are: {', '.join(fields)}"
        raise TemplateError(role, fault)
    if not kind.value.fullmatch(spec):
        fault = f"{{{name}}} cannot be written as {spec!r}, but as {_EXAMPLES[kind]!r}"
        raise TemplateError(role, fault)
