"""Figures between marks."""

import pytest

from bench.document import BEGIN, DOCUMENT, END, replace_figures


def test_only_what_stands_between_the_marks_changes() -> None:
    """The words around stay."""
    text = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert replace_figures(text, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"


def test_replacing_twice_changes_nothing_more() -> None:
    """The same figures give the same document."""
    once = replace_figures(f"{BEGIN}{END}", "new")
    assert replace_figures(once, "new") == once


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END])
def test_marks_must_be_there_once_in_order(text: str) -> None:
    """Else somebody's words would be lost."""
    with pytest.raises(ValueError, match="both marks"):
        replace_figures(text, "new")


def test_our_document_has_its_marks() -> None:
    """So that `--write-docs` works."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_figures(text, "new").count("new") >= 1
