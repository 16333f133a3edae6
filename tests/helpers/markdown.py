"""Reads tables and sections out of a Markdown document, so that tests can hold it to the code."""

import re
from collections.abc import Iterator


def section_of(document: str, title: str) -> str:
    """The text below the heading that begins with `title`, up to the next of its rank or above."""
    found = re.search(rf"^(#+) {title}[^\n]*\n", document, re.MULTILINE)
    assert found, f"no heading {title}"
    rest = document[found.end() :]
    end = re.search(rf"^#{{1,{len(found.group(1))}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(markdown: str, first_head: str) -> list[list[str]]:
    """The cells of the table whose first head is `first_head`, without its heads."""
    lines = iter(markdown.splitlines())
    for line in lines:
        if line.startswith(f"| {first_head} |"):
            next(lines)
            return [_cells(row) for row in _while_table(lines)]
    raise AssertionError(f"no table that begins with {first_head}")


def _while_table(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def number(cell: str) -> int:
    """A number with or without separators of thousands."""
    return int(cell.replace(",", ""))


def code(cell: str) -> str:
    """What stands between backquotes."""
    return cell.strip("`")
