"""`docs/decisions`: half a page each, in one form, all in the list."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
FILES = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Context.", "Choice.", "What we give up.", "Reconsider"]

MAX_WORDS = 300
"""Half a page. Longer, and it is an essay that nobody reads again."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_form_of_a_decision(file: Path) -> None:
    """Title with the file's number, four parts in order, not too long."""
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(file.name[:4])}. ")
    assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == PARTS
    assert len(text.split()) <= MAX_WORDS


def test_the_list_is_complete() -> None:
    """Every decision stands in the list with its title, in order, and numbers have no gap."""
    listed = re.findall(
        r"^- \[(.+)\]\((.+)\)$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    titles = [file.read_text(encoding="utf-8").partition("\n")[0][2:] for file in FILES]
    assert listed == list(zip(titles, (file.name for file in FILES), strict=True))
    assert [int(file.name[:4]) for file in FILES] == list(range(1, len(FILES) + 1))
