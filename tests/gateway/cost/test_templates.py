"""What a template may contain."""

import pytest
from hypothesis import given

from fuzz.seeds import SEEDS
from fuzz.targets.templates import check
from gateway.cost.templates import FieldKind, Template, TemplateError
from tests.helpers.hostile import changed
from tests.helpers.strategies import UNHURRIED

FIELDS = {
    "n": FieldKind.NUMBER,
    "deg": FieldKind.DEGREES,
    "at": FieldKind.TIME,
    "words": FieldKind.TEXT,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no field",
        "{n}{n}",
        "{n:4}{n:04}{n:d}{n:04d}",
        "{deg}{deg:.5f}{deg:f}",
        "{words}{words:.20}",
        "{at}",
        "{at:%Y-%m-%d %H:%M:%S}",
        "{at:%y年}",
    ],
)
def test_what_is_taken(text: str) -> None:
    """Every format that a kind of field has."""
    Template("report", text, FIELDS)


def test_filling() -> None:
    """Values in the order of the names, braces that are written twice, formats."""
    template = Template("report", "{{{words:.2}}},{n:03d},{words}", FIELDS)
    assert template.names == ["words", "n", "words"]
    assert template.fill(["井盖破损", 7, "井盖破损"]) == "{井盖},007,井盖破损"


@pytest.mark.parametrize(
    "text, part",
    [
        ("{m}", "no field {m}; there are: n, deg, at, words"),
        ("{}", "no field {}"),
        ("{0}", "no field {0}"),
        ("{n.real}", "no field {n.real}"),
        ("{n[0]}", "no field {n[0]}"),
        ("{n.__class__}", "no field"),
        ("{n!r}", "no field {n!r}"),
        ("{n:{n}}", "{n} cannot be written as '{n}', but as '04d'"),
        ("{n:999999999d}", "cannot be written"),
        ("{n:x}", "cannot be written"),
        ("{deg:.99f}", "cannot be written as '.99f', but as '.5f'"),
        ("{words:>1000}", "cannot be written"),
        ("{words:.9999}", "but as '.20'"),
        ("{at:%c}", "but as '%Y%m%d%H%M%S'"),
        ("{at:%}", "cannot be written"),
        ("{at:{n}}", "{at} cannot be written as '{n}'"),
        ("{at:{}}", "cannot be written"),
        ("{at:\0%Y}", "cannot be written"),
        ("{at:%Y\ud800}", "cannot be written"),
        ("{deg:.5}", "cannot be written as '.5', but as '.5f'"),
        ("{n:\N{ARABIC-INDIC DIGIT FOUR}d}", "cannot be written"),
        ("{n", "a brace that is meant"),
        ("n}", "a brace that is meant"),
    ],
)
def test_what_is_refused(text: str, part: str) -> None:
    """The message has the role, the fault, and what there is instead."""
    with pytest.raises(TemplateError) as caught:
        Template("report", text, FIELDS)
    assert caught.value.role == "report"
    assert str(caught.value) == f"template of a report: {caught.value.fault}"
    assert part in caught.value.fault


@UNHURRIED
@given(changed(SEEDS["templates"]()))
def test_hostile_bytes(data: bytes) -> None:
    """A template fills for every report, or its fault is named."""
    check(data)
