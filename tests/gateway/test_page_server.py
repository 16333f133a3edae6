"""The page over HTTP: files, headers, figures."""

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from gateway.http_server import start_http_server
from gateway.page_figures import Figures
from gateway.settings import HttpSettings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "gateway" / "page"
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)

VENDORED = {
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""SHA-256 of the files as they are in the package uplot 1.6.32."""


def figures_after(after: int) -> Figures:
    """An answer that shows what was asked."""
    return Figures(gateway="here", at=NOW, database=True, database_at=NOW, stored_today=after)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a running server."""

    async def figures(after: int) -> Figures:
        return figures_after(after)

    async def checks() -> dict[str, bool]:
        return {}

    runner, address = await start_http_server(HttpSettings(port=0), checks, figures)
    async with aiohttp.ClientSession(address) as session:
        yield session
    await runner.cleanup()


def served() -> list[str]:
    """Paths of all files."""
    return [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in served()), "/api/figures"])
async def test_what_is_served_is_locked_in(http: aiohttp.ClientSession, path: str) -> None:
    """Nothing from elsewhere, no script but these, no guessing of types; a kind that is known."""
    async with http.get(path) as response:
        assert response.status == 200
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.content_type in {
            "text/html", "text/css", "text/javascript", "application/json", "image/svg+xml",
            "text/plain",
        }  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/page/", "/page/none.js", "/page/..%2fapp.py", "/page/../app.py", "/page/i18n"]
)
async def test_nothing_else_is_served(http: aiohttp.ClientSession, path: str) -> None:
    """Files have names; there is no folder to wander in."""
    async with http.get(path) as response:
        assert response.status == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/api/figures"])
async def test_it_can_only_be_read(http: aiohttp.ClientSession, path: str) -> None:
    """Whatever else is asked is not allowed."""
    for method in ("POST", "PUT", "DELETE"):
        async with http.request(method, path) as response:
            assert response.status == 405


@pytest.mark.asyncio
async def test_a_file_that_a_browser_has_is_not_sent_again(http: aiohttp.ClientSession) -> None:
    """It is asked for each time, so that a new version is seen at once."""
    async with http.get("/page/main.js") as response:
        tag = response.headers["ETag"]
        assert response.headers["Cache-Control"] == "no-cache"
    async with http.get("/page/main.js", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    async with http.get("/page/main.js", headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200


@pytest.mark.asyncio
async def test_figures(http: aiohttp.ClientSession) -> None:
    """As JSON, never kept by a browser, with the moment that was asked for."""
    async with http.get("/api/figures", params={"after": "1795533396055"}) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == msgspec.to_builtins(figures_after(1_795_533_396_055))
    async with http.get("/api/figures") as response:
        assert (await response.json())["stored_today"] == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("after", ["x", "1.5", "", "9" * 5_000])
async def test_a_moment_that_is_none(http: aiohttp.ClientSession, after: str) -> None:
    """The asker's fault, and what is wanted."""
    async with http.get("/api/figures", params={"after": after}) as response:
        assert response.status == 400
        assert "milliseconds" in await response.text()


# The files.


class Markup(HTMLParser):
    """What an HTML file loads, and what in it would run or be styled in place."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses and what stands in place."""
        names = dict(attrs)
        self.addresses += [names[name] or "" for name in ("src", "href") if name in names]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)


def test_the_page_holds_no_script_or_style_and_loads_what_is_here() -> None:
    """Relative addresses, so that it also works behind a prefix; each leads to a file or route."""
    markup = Markup()
    markup.feed((FOLDER / "index.html").read_text(encoding="utf-8"))
    assert markup.inline == []
    files = {f"page/{name}" for name in served()}
    assert set(markup.addresses) <= files | {"metrics", "readyz", "api/figures"}


@pytest.mark.parametrize("name", [n for n in served() if not n.startswith("vendor/")])
def test_no_file_names_another_host(name: str) -> None:
    """But for the namespace of SVG, which nobody loads."""
    text = (FOLDER / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w+\.", text)


@pytest.mark.parametrize("name", [n for n in served() if n.endswith(".js") and "/" not in n])
def test_no_script_makes_markup_of_text(name: str) -> None:
    """Text goes in as text: what would parse it is not used at all."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_the_library_is_unchanged() -> None:
    """As it was published, with its licence; the note beside it says which version."""
    folder = FOLDER / "vendor"
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "README.md"
    }
    assert digests == VENDORED
    version = re.search(r"v([\d.]+)\)", (folder / "uPlot.iife.min.js").read_text(encoding="utf-8"))
    assert version
    assert version[1] in (folder / "README.md").read_text(encoding="utf-8")


def words(language: str) -> dict[str, str]:
    """The page's texts in a language."""
    found: dict[str, str] = msgspec.json.decode((FOLDER / "i18n" / f"{language}.json").read_bytes())
    return found


def test_both_languages_have_the_same_words() -> None:
    """Every key in both, in the same order, with the same places for figures, none empty."""
    en, zh = words("en"), words("zh")
    assert list(en) == list(zh)
    assert all([*en.values(), *zh.values()])
    places = {
        name: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in texts.items()}
        for name, texts in (("en", en), ("zh", zh))
    }
    assert places["en"] == places["zh"]


def test_no_word_is_unused_and_none_is_missing() -> None:
    """Each key stands in the HTML or in a script, and each that stands there exists."""
    html = (FOLDER / "index.html").read_text(encoding="utf-8")
    scripts = "".join(p.read_text(encoding="utf-8") for p in FOLDER.glob("*.js"))
    in_html = set(re.findall(r'data-(?:text|label)="(\w+)"', html))
    in_scripts = set(re.findall(r'"([a-z_]+)"', scripts))
    keys = set(words("en"))
    kinds = {"component", "event"}  # values of the API: texts.of(report.kind)
    assert in_html <= keys
    assert keys - in_html - in_scripts - kinds == set()


def test_the_wheel_holds_the_page(tmp_path: Path) -> None:
    """An installed gateway has every file that this tree has."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"gateway/page/{name}" for name in served()} <= names


def test_the_page_is_found_as_a_resource() -> None:
    """That is how the server reads it."""
    page: Any = resources.files("gateway") / "page" / "index.html"
    assert page.is_file()
