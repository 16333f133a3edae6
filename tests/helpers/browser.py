"""The distribution's Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, async_playwright

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

AWAY: Final = "net::ERR_"
"""What Chromium itself writes to the console when the gateway is not there."""


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
        """That it asked for anything."""
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.errors.append(text)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a profile of its own, gone afterwards."""
    program = need_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, address: str, **options: Any
) -> AsyncIterator[tuple[Page, Seen]]:
    """The page at an address, in a context of its own (`locale`, `viewport`, ...)."""
    context = await browser.new_context(**{"locale": "en", **options})
    page = await context.new_page()
    seen = Seen(page)
    await page.goto(address)
    try:
        yield page, seen
    finally:
        await context.close()
