"""`docs/vectors.json` is what the code makes; `tests/docs/test_vectors.py` asks if it is true."""

import pytest

from scripts.make_vectors import VECTORS, render
from tests.helpers.deflate import SAME_DEFLATE, WHY_NOT


@pytest.mark.skipif(not SAME_DEFLATE, reason=WHY_NOT)
def test_the_file_agrees() -> None:
    """Run `python -m scripts.make_vectors` when this fails."""
    assert VECTORS.read_text(encoding="utf-8") == render()


def test_two_runs_write_the_same() -> None:
    """Nothing in it depends on time or chance."""
    assert render() == render()
