"""Draw the state diagrams of `docs/protocol.md` from the transition table.

Run `python -m scripts.make_state_diagrams` after a change of `gateway/protocol/state.py`; a test
fails until the document agrees.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.protocol.state import SEND, TRANSITIONS, Role, State
from scripts.marked_blocks import replace_blocks
from scripts.wire_examples import message_name

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"


def diagram(role: Role) -> str:
    """One role's machine as a Mermaid state diagram."""
    return "\n".join(("```mermaid", "stateDiagram-v2", *_lines(role), "```"))


def _lines(role: Role) -> Iterator[str]:
    table = TRANSITIONS[role]
    for state in table:
        yield f"    {state.name}: {state.value}"
    yield f"    [*] --> {State.START.name}"
    for source, inputs in table.items():
        labels: dict[State, list[str]] = defaultdict(list)
        for (direction, message), target in inputs.items():
            verb = "send" if direction is SEND else "receive"
            labels[target].append(f"{verb} {message_name(message)}")
        for target, names in labels.items():
            yield f"    {source.name} --> {target.name}: {' / '.join(names)}"
    yield f"    {State.CLOSED.name} --> [*]"


def blocks() -> dict[str, str]:
    """The generated blocks of the document."""
    return {f"states of the {role.value}": diagram(role) for role in Role}


def main() -> None:
    """Write the diagrams into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replace_blocks(text, blocks()), encoding="utf-8")


if __name__ == "__main__":
    main()
