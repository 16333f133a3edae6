"""The worked examples of the document are what the code does."""

import pytest

from scripts.make_state_diagrams import DOCUMENT
from scripts.make_worked_examples import blocks
from scripts.marked_blocks import replace_blocks
from tests.helpers.deflate import SAME_DEFLATE, WHY_NOT


@pytest.mark.skipif(not SAME_DEFLATE, reason=WHY_NOT)
def test_the_document_agrees() -> None:
    """Run `python -m scripts.make_worked_examples` when this fails."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_blocks(text, blocks()) == text
