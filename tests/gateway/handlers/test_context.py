"""What a handler may look at."""

from tests.helpers.builders import CONTEXT, EDITION_2007, EDITION_WIDE


def test_editions_are_found_by_number() -> None:
    """Each edition by its number, and None for one that the gateway does not have."""
    assert CONTEXT.edition(1) is EDITION_2007
    assert CONTEXT.edition(2) is EDITION_WIDE
    assert CONTEXT.edition(3) is None
