"""HTTP for ops: `/metrics`, `/healthz`, `/readyz`, and the page."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from gateway import observe
from gateway.page_server import Ask, add_page
from gateway.settings import HttpSettings

Checks = Callable[[], Awaitable[Mapping[str, bool]]]
"""What must be true to take reports, by name."""

SHUTDOWN_SECONDS: Final = 1.0
"""A scrape under way at shutdown may finish; nothing here is worth more waiting."""


async def start_http_server(
    settings: HttpSettings, checks: Checks, figures: Ask | None = None
) -> tuple[web.AppRunner, str]:
    """Serve until `cleanup` of the runner; returns it and the base address.

    `/healthz` answers while the event loop lives; `/readyz` answers 200 when all `checks` hold and
    else 503, with each by name. The page shows the `figures`; without them there is none. Raises
    `OSError` when the port is taken.
    """

    async def ready(_request: web.Request) -> web.Response:
        results = await checks()
        return web.json_response(dict(results), status=200 if all(results.values()) else 503)

    async def healthy(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    application = web.Application()
    application.router.add_get("/metrics", observe.metrics_handler())
    application.router.add_get("/healthz", healthy)
    application.router.add_get("/readyz", ready)
    if figures is not None:
        add_page(application, figures)
    # aiohttp waits twice: for an answer to be ready, then for it to be sent.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS / 2)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError:
        await runner.cleanup()
        raise
    host, port, *_ = runner.addresses[0]
    return runner, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
