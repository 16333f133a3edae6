"""Puts the tables into `docs/performance.md`, between two marks."""

from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- figures: begin (python -m bench --write-docs) -->"
END: Final = "<!-- figures: end -->"
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "performance.md"


def replace_figures(text: str, figures: str) -> str:
    """The document with new figures.

    Raises:
        ValueError: it has not each mark once, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError("the document needs both marks, each once, in order")
    return f"{before}{BEGIN}\n\n{figures.strip()}\n\n{END}{after}"


def write_figures(figures: str) -> None:
    """Renew the document. Raises `ValueError` as `replace_figures`."""
    text = replace_figures(DOCUMENT.read_text(encoding="utf-8"), figures)
    DOCUMENT.write_text(text, encoding="utf-8")
