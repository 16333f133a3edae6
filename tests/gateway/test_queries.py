"""Named statements."""

from pathlib import Path

import pytest

from gateway.queries import load_queries

SQL = Path(__file__).resolve().parents[2] / "gateway" / "sql"
FILES = sorted(path.name for path in SQL.glob("*.sql"))


@pytest.mark.parametrize("file", FILES)
def test_statements_have_names_and_no_comments(file: str) -> None:
    """Each named statement is SQL alone."""
    queries = load_queries(file)
    assert queries
    for name, statement in queries.items():
        assert statement.split()[0] in {
            "INSERT",
            "DROP",
            "SELECT",
            "WITH",
            "UPDATE",
            "DELETE",
            "CREATE",
            "SET",
        }, name
        assert "--" not in statement


def test_they_cannot_be_changed() -> None:
    """The statements are shared by all who load them."""
    with pytest.raises(TypeError):
        load_queries("store.sql")["x"] = ""  # type: ignore[index]
