"""The diagrams of the document are those of the transition table."""

import re

import pytest

from gateway.protocol.state import TRANSITIONS, Role
from scripts.make_state_diagrams import DOCUMENT, blocks, diagram
from scripts.marked_blocks import replace_blocks
from scripts.wire_examples import message_name

ARROW = re.compile(r"^ {4}(\w+) --> (\w+): (.+)$", re.MULTILINE)


def test_the_document_agrees() -> None:
    """Run `python -m scripts.make_state_diagrams` when this fails."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_blocks(text, blocks()) == text


@pytest.mark.parametrize("role", Role)
def test_every_transition_is_an_arrow_and_no_other(role: Role) -> None:
    """Read back from the drawing, the arrows are the table."""
    drawn = {
        (source, target, label)
        for source, target, labels in ARROW.findall(diagram(role))
        for label in labels.split(" / ")
    }
    assert drawn == {
        (source.name, target.name, f"{direction.value} {message_name(message)}")
        for source, inputs in TRANSITIONS[role].items()
        for (direction, message), target in inputs.items()
    }
