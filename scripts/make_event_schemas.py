"""Write `docs/events/<type>.schema.json`: a JSON Schema for each type of event, from its struct.

Run `python -m scripts.make_event_schemas` after a change of `gateway/events.py`; a test holds the
files to it. What a struct's docstrings say becomes the descriptions. Properties that are not named
stay allowed, because a field may be added to a type.
"""

import ast
import inspect
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway import events

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "events"

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def file_name(event_type: str) -> str:
    """The file of a type's schema."""
    return f"{event_type}.schema.json"


def schema(event_type: str) -> dict[str, Any]:
    """The schema of a type: the envelope, with `data` of this type."""
    generated = msgspec.json.schema(events.EVENT_TYPES[event_type])
    definitions = generated["$defs"]
    envelope = definitions.pop(_target(generated))
    texts = field_texts()
    for name, definition in definitions.items():
        _describe(definition, texts[name])
    _describe(envelope, texts["Event"])
    properties = envelope["properties"]
    properties["type"]["const"] = event_type
    properties["dataschema"]["const"] = events.schema_of(event_type)
    for defaulted in ("specversion", "datacontenttype"):
        # We always write them: to a reader they are not optional.
        del properties[defaulted]["default"]
    return {
        "$schema": DIALECT,
        "$id": events.schema_of(event_type),
        "title": event_type,
        "description": definitions[_target(properties["data"])]["description"],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": definitions,
    }


def field_texts() -> dict[str, dict[str, str]]:
    """The docstring below each field, by class and field. Python itself does not keep them."""
    module = ast.parse(inspect.getsource(events))
    return {
        node.name: {
            field.target.id.rstrip("_"): inspect.cleandoc(text.value.value)
            for field, text in zip(node.body, node.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for node in module.body
        if isinstance(node, ast.ClassDef)
    }


def _target(referring: dict[str, Any]) -> str:
    """The name of the definition that a `$ref` means."""
    return str(referring["$ref"]).rpartition("/")[2]


def _describe(definition: dict[str, Any], texts: dict[str, str]) -> None:
    definition["description"] = _one_line(definition["description"])
    for name, text in texts.items():
        definition["properties"][name]["description"] = _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def render() -> dict[str, str]:
    """The text of each file, by its name."""
    return {
        file_name(event_type): json.dumps(schema(event_type), ensure_ascii=False, indent=2) + "\n"
        for event_type in events.EVENT_TYPES
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
