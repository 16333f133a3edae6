"""Tests of the descriptions that inspectors type."""

from collections.abc import Iterator
from random import Random

import pytest

from device_sim.reference import findings, streets
from device_sim.texts import DescriptionWriter
from gateway.protocol.report import Patrol, Urgency
from gateway.protocol.text import MAX_DESCRIPTION_CHARACTERS, check_description

ASCII_DIGITS = frozenset("0123456789")
FULL_WIDTH = frozenset("\uff0c\u3002\uff1a")


def _texts(urgency: Urgency, patrol: Patrol, *, simple: bool) -> Iterator[str]:
    """300 texts of every street, over all classes."""
    random = Random(f"{urgency}{patrol}{simple}")
    for street in streets():
        writer = DescriptionWriter(random, street)
        for finding in random.choices(findings(), k=300):
            yield writer.write(finding, urgency, patrol, simple=simple)


@pytest.mark.parametrize(
    "urgency, patrol, simple",
    [
        (Urgency.ORDINARY, Patrol.ROUTINE, True),
        (Urgency.ORDINARY, Patrol.SPECIAL, False),
        (Urgency.DIFFICULT, Patrol.HOTLINE, False),
        (Urgency.EMERGENCY, Patrol.ROUTINE, False),
    ],
)
def test_every_text_can_be_a_description(
    urgency: Urgency,
    patrol: Patrol,
    simple: bool,  # noqa: FBT001 -- a column of the table above
) -> None:
    """None breaks a limit of the protocol; most of them have 8 to 60 characters."""
    texts = list(_texts(urgency, patrol, simple=simple))
    assert not [text for text in texts if check_description(text)]
    usual = sum(8 <= len(text) <= 60 for text in texts)
    assert usual > 0.85 * len(texts)
    assert not any(0 < len(text) < 8 for text in texts)


def test_texts_hold_what_breaks_careless_software() -> None:
    """Empty and long ones, digits, full-width marks, characters outside the Basic Plane."""
    texts = list(_texts(Urgency.ORDINARY, Patrol.ROUTINE, simple=False))
    assert 0.05 < texts.count("") / len(texts) < 0.11
    assert 200 < max(map(len, texts)) <= MAX_DESCRIPTION_CHARACTERS
    assert any(ASCII_DIGITS & set(text) for text in texts)
    assert any(FULL_WIDTH & set(text) for text in texts)
    assert any(ord(character) > 0xFFFF for text in texts for character in text)


def test_texts_vary() -> None:
    """Hardly any sentence is written twice."""
    texts = [text for text in _texts(Urgency.ORDINARY, Patrol.ROUTINE, simple=False) if text]
    assert len(set(texts)) > 0.97 * len(texts)


def test_the_kind_of_patrol_opens_the_text() -> None:
    """A hotline report says so."""
    for text in _texts(Urgency.ORDINARY, Patrol.HOTLINE, simple=False):
        assert not text or "\uff1a" in text


def test_a_simple_case_tells_what_was_done() -> None:
    """No simple case asks for help, for it is settled."""
    for text in _texts(Urgency.ORDINARY, Patrol.ROUTINE, simple=True):
        assert "请尽快处理" not in text.split("\u3002")[0]
