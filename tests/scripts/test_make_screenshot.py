"""The picture in the READMEs."""

import io
from pathlib import Path

import pytest
from PIL import Image

from scripts.make_screenshot import save_small

ROOT = Path(__file__).resolve().parents[2]

MOST_BYTES = 200_000
"""What a reader of a README should have to load."""


def test_small_and_alike(tmp_path: Path) -> None:
    """A third of the bytes; where it has few colours, the same picture."""
    original = Image.new("RGB", (300, 200), (244, 246, 248))
    original.paste((31, 95, 168), (10, 10, 200, 100))
    buffer = io.BytesIO()
    original.save(buffer, "PNG")
    save_small(buffer.getvalue(), tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as small:
        assert small.mode == "P"
        assert small.convert("RGB").tobytes() == original.tobytes()


def test_the_kept_picture() -> None:
    """It is there, it is small, and it is what a screen shows."""
    picture = ROOT / "docs" / "page.png"
    assert picture.stat().st_size <= MOST_BYTES
    with Image.open(picture) as image:
        assert image.width == pytest.approx(1_280)
        assert 700 <= image.height <= 1_100
