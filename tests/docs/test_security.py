"""docs/security.md against the list of defences."""

import re

from scripts.marked_blocks import replace_blocks
from scripts.remove_defences import BLOCK, DOCUMENT, load_defences, table


def test_the_table_of_attacks_is_the_list() -> None:
    """Written by `python -m scripts.remove_defences --write-docs`."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert replace_blocks(document, {BLOCK: table(load_defences())}) == document


def test_every_file_that_it_links_is_there() -> None:
    """Relative links lead somewhere."""
    document = DOCUMENT.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document)
    assert links
    assert [link for link in links if not (DOCUMENT.parent / link).exists()] == []
