"""The page and its figures over HTTP, read-only.

The files of `gateway/page/` are read once and served from memory, each under its own name and no
other. The browser is told to load nothing from elsewhere and to run no script but these.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import msgspec
from aiohttp import web

from gateway.page_figures import Figures

FILES: Final = "page"

CONTENT_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain",
    "md": "text/plain",
}

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Text of reports comes from outside: even if it became markup, no script in it would run."""

Ask = Callable[[int], Awaitable[Figures]]
"""The figures of now, with the pulse after a moment in Unix milliseconds."""


def add_page(application: web.Application, figures: Ask) -> None:
    """Serve `/`, the files under `/page/`, and `/api/figures`."""
    for path, body in _files():
        handler = _file(body, CONTENT_TYPES[path.rpartition(".")[2]])
        application.router.add_get(f"/{FILES}/{path}", handler)
        if path == "index.html":
            application.router.add_get("/", handler)

    async def api(request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", "0"))
        except ValueError:
            raise web.HTTPBadRequest(text="after: Unix time in milliseconds\n") from None
        return web.Response(
            body=msgspec.json.encode(await figures(after)),
            content_type="application/json",
            headers={**HEADERS, "Cache-Control": "no-store"},
        )

    application.router.add_get("/api/figures", api)


def _files() -> Iterator[tuple[str, bytes]]:
    """Path under the folder, and content."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            path = prefix + entry.name
            if entry.is_dir():
                yield from walk(entry, f"{path}/")
            else:
                yield path, entry.read_bytes()

    return walk(resources.files("gateway").joinpath(FILES), "")


def _file(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Serves a file; a browser asks each time, and gets it only when it is another."""
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": f'"{tag}"'}

    async def serve(request: web.Request) -> web.Response:
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return serve
