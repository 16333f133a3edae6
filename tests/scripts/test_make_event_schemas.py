"""The files of `docs/events/` are what the structs make; `test_event_schemas.py` uses them."""

from typing import Any

import pytest

from gateway.events import EVENT_TYPES
from scripts.make_event_schemas import FOLDER, render, schema


def test_the_files_agree() -> None:
    """Run `python -m scripts.make_event_schemas` when this fails; delete what is of no type."""
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert there == render()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_everything_is_described_and_nothing_is_closed(event_type: str) -> None:
    """Every property says what it means, and fields may be added without breaking a reader."""
    objects = [schema(event_type), *schema(event_type)["$defs"].values()]
    properties: list[tuple[str, dict[str, Any]]] = [
        (name, made) for part in objects for name, made in part["properties"].items()
    ]
    assert [name for name, made in properties if not made.get("description")] == []
    assert [part for part in objects if not part.get("description")] == []
    assert not any("additionalProperties" in part for part in objects)
    assert all(set(part["required"]) == set(part["properties"]) for part in objects)


def test_texts_are_taken_from_below_the_fields() -> None:
    """Also where a text runs over two lines, and where Python forbids the field's name."""
    data = schema("field-gateway.report.stored.v1")["$defs"]["StoredReport"]["properties"]
    assert data["class"]["description"] == "What was found."
    assert data["sequence"]["description"].endswith("are its key in the database.")
    assert "\n" not in data["sequence"]["description"]
