"""Take the picture of the page in the READMEs, from a demo that is up.

Right after its table is printed, so that the charts show the quarter:

    python -m scripts.make_screenshot http://127.0.0.1:9440 docs/page.png

Needs Playwright (of the development dependencies) and the distribution's Chromium. `--help` lists
size, language and scheme.
"""

import argparse
import io
import re
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.helpers.browser import ARGUMENTS, find_chromium

DRAWN_WITHIN_MS: Final = 60_000
"""The first bill of a whole quarter takes some seconds."""

COLORS: Final = 256
"""As many as a palette of PNG holds."""


def main() -> None:
    """Open the page, wait until it shows everything, and save what is seen."""
    options = _options()
    program = find_chromium()
    if program is None:
        raise SystemExit("chromium is not installed (apt-get install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": options.width, "height": options.height},
            locale=options.language,
            color_scheme=options.scheme,
            reduced_motion="reduce",  # nothing is caught half-way
        )
        page.goto(options.address)
        expect(page.locator("body")).to_have_attribute(
            "data-state", "live", timeout=DRAWN_WITHIN_MS
        )
        expect(page.locator("#bill")).to_be_visible(timeout=DRAWN_WITHIN_MS)
        expect(page.locator("#rate-now")).to_have_text(re.compile(r"\d"), timeout=DRAWN_WITHIN_MS)
        page.wait_for_timeout(options.seconds * 1_000)  # for charts that have something to show
        picture = page.screenshot(full_page=options.full)
        browser.close()
    save_small(picture, options.file)


def save_small(picture: bytes, file: Path) -> None:
    """With a palette: a page has few colours, and a third of the bytes is enough."""
    with Image.open(io.BytesIO(picture)) as image:
        palette = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        palette.save(file, optimize=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="where the page is, as http://127.0.0.1:9440")
    parser.add_argument("file", type=Path, help="the PNG file to write")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--language", choices=("en", "zh-CN"), default="en")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--full", action="store_true", help="the whole page, however long")
    parser.add_argument("--seconds", type=int, default=2, help="wait so long before")
    return parser.parse_args()


if __name__ == "__main__":
    main()
