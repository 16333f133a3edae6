"""Generated blocks are replaced in place, and never by guess."""

import pytest

from scripts.marked_blocks import UnknownBlockError, replace_blocks

DOCUMENT = """before
<!-- begin generated: a -->
old
<!-- end generated: a -->
between
<!-- begin generated: b -->
<!-- end generated: b -->
"""


def test_replaces_only_the_named_block() -> None:
    """Text around a block and other blocks stay, backslashes in the new text too."""
    assert replace_blocks(DOCUMENT, {"b": "new \\1\n"}) == DOCUMENT.replace(
        "generated: b -->\n<!--", "generated: b -->\nnew \\1\n<!--"
    )


def test_replacing_twice_changes_nothing_more() -> None:
    """The result is the same however often a script runs."""
    once = replace_blocks(DOCUMENT, {"a": "x", "b": "y"})
    assert replace_blocks(once, {"a": "x", "b": "y"}) == once


@pytest.mark.parametrize("document", ["", DOCUMENT + DOCUMENT], ids=["missing", "twice"])
def test_refuses_a_block_that_is_not_there_once(document: str) -> None:
    """A misspelt or doubled block is an error, not a silent nothing."""
    with pytest.raises(UnknownBlockError, match="named a"):
        replace_blocks(document, {"a": "x"})
