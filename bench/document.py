"""Puts the tables into `docs/performance.md`, between marks: those of reports, those of TLS."""

from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- figures: begin (python -m bench --write-docs) -->"
END: Final = "<!-- figures: end -->"
TLS_BEGIN: Final = "<!-- tls: begin (python -m bench tls --write-docs) -->"
TLS_END: Final = "<!-- tls: end -->"
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "performance.md"


def replace_figures(text: str, figures: str, begin_mark: str = BEGIN, end_mark: str = END) -> str:
    """The document with new figures between two marks.

    Raises:
        ValueError: it has not each mark once, in order.
    """
    before, begin, rest = text.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not (begin and end) or begin_mark in rest or end_mark in after:
        raise ValueError("the document needs both marks, each once, in order")
    return f"{before}{begin_mark}\n\n{figures.strip()}\n\n{end_mark}{after}"


def write_figures(figures: str, tls: str) -> None:
    """Renew the document; empty figures leave the old. Raises `ValueError` as `replace_figures`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if figures:
        text = replace_figures(text, figures)
    if tls:
        text = replace_figures(text, tls, TLS_BEGIN, TLS_END)
    DOCUMENT.write_text(text, encoding="utf-8")
