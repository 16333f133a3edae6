"""The distribution's Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Page, async_playwright, expect

REQUIRE_BROWSER: Final = "FIELD_GATEWAY_REQUIRE_BROWSER"
"""Environment variable: 1 makes a missing Chromium an error. Set where all tests have to run."""

ARGUMENTS: Final = [
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SHOWN_WITHIN_MS: Final = 30_000
"""A broken test ends with an error instead of hanging; a good one never waits so long."""


def find_chromium() -> str | None:
    """The browser's program, or None if it is not installed."""
    return shutil.which("chromium")


def need_chromium() -> str:
    """The browser's program; skips the test, or fails it where Chromium is demanded, without."""
    program = find_chromium()
    if program is not None:
        return program
    reason = "chromium is not installed (apt-get install chromium fonts-noto-cjk)"
    if os.environ.get(REQUIRE_BROWSER) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class Seen:
    """What a page did besides being looked at."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        """Of the console, and those that no script caught."""
        self.hosts: set[str] = set()
        """That it asked for anything, with their ports."""
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.errors.append(text)


@asynccontextmanager
async def open_page(address: str, **options: Any) -> AsyncIterator[tuple[Page, Seen]]:
    """The page at an address, live, in a browser with a profile of its own (`locale`, `viewport`,
    `color_scheme`, ...). In the end it must have asked nobody else.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=need_chromium(), args=ARGUMENTS)
        try:
            context = await browser.new_context(**{"locale": "en", **options})
            page = await context.new_page()
            seen = Seen(page)
            await page.goto(address)
            await expect(page.locator("body")).to_have_attribute(
                "data-state", "live", timeout=SHOWN_WITHIN_MS
            )
            yield page, seen
            assert seen.hosts == {address.split("/")[2]}
        finally:
            await browser.close()
