"""Named statements."""

import pytest

from gateway.queries import load_queries

FILES = ["store.sql", "devices.sql", "page.sql", "reference.sql", "tasks.sql", "traffic.sql"]


@pytest.mark.parametrize("file", FILES)
def test_statements_have_names_and_no_comments(file: str) -> None:
    """Each named statement is SQL alone."""
    queries = load_queries(file)
    assert queries
    for name, statement in queries.items():
        assert statement.split()[0] in {"INSERT", "SELECT", "WITH", "UPDATE", "CREATE"}, name
        assert "--" not in statement


def test_they_cannot_be_changed() -> None:
    """The statements are shared by all who load them."""
    with pytest.raises(TypeError):
        load_queries("store.sql")["x"] = ""  # type: ignore[index]
