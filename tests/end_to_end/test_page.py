"""The page in a real browser, served by a real gateway on a real database."""

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import pytest
from playwright.async_api import Page, expect

from gateway.cost.china import day_of
from gateway.page_bill import make_bill
from gateway.protocol.report import Urgency
from tests.helpers.browser import SHOWN_WITHIN_MS, need_chromium, open_page
from tests.helpers.device_client import greeted
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.processes import gateway_process
from tests.helpers.served_gateway import Look, register, served_gateway, settings_of
from tests.helpers.wire import backlog, wire

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("chromium")]

QUARTER: Final[Mapping[str, Any]] = {"cost": {"played_as": "2008-01-01/2008-03-31"}}

HOSTILE: Final = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

LONG: Final = "无" * 200 + "x" * 300
"""The longest text, without a place to break it."""

expect.set_options(timeout=SHOWN_WITHIN_MS)


@pytest.fixture
def chromium() -> str:
    """Needed here."""
    return need_chromium()


async def fill(dsn: str) -> None:
    """Reports in all streets and a bill, as a finished simulation leaves them."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO report_count SELECT 100 + code % 440307000 * 1000, code, '2008-02-01',"
        " 'event', 'ordinary', 'tcp', true FROM street;"
        "INSERT INTO report_count SELECT 7, code, '2008-02-01', 'event', 'emergency', 'tcp', true"
        " FROM street;"
        "INSERT INTO ledger (received, stored, duplicate, quarantined, refused, day, transport,"
        " lane, gateway) VALUES (123456, 120000, 3000, 400, 56, current_date, 'tcp', 0, 'other');"
        "INSERT INTO traffic SELECT n, 4000000, 1000000, 0, 5000, 0, 9, current_date, 'tcp'"
        " FROM generate_series(1, 50) AS n;"
        "INSERT INTO sms_avoided (device_id, reports, report_segments, confirmation_segments, day,"
        " transport) SELECT n, 400, 900, 400, current_date, 'tcp' FROM generate_series(1, 50) AS n;"
        "INSERT INTO presence SELECT n, 1, now(), 1, 'mqtt', 'other'"
        " FROM generate_series(1, 7) AS n"
    )
    await connection.close()


async def ask(http: str) -> dict[str, Any]:
    """What the API says."""
    async with aiohttp.ClientSession() as session, session.get(f"{http}/api/figures") as response:
        figures: dict[str, Any] = await response.json()
        return figures


async def text(page: Page, selector: str) -> str:
    """What stands in an element."""
    return (await page.locator(selector).first.text_content()) or ""


async def number(page: Page, figure: str) -> int:
    """A single figure as the page shows it."""
    return int((await text(page, f'[data-figure="{figure}"]')).replace(",", ""))


async def shown(page: Page) -> dict[str, int]:
    """All single figures."""
    names = await page.locator("[data-figure]").evaluate_all(
        "all => all.map(e => e.dataset.figure)"
    )
    return {name: await number(page, name) for name in names}


def singles(figures: Mapping[str, Any]) -> dict[str, int]:
    """The same from the API."""
    return {
        **{f"ledger.{name}": count for name, count in figures["ledger"].items()},
        "devices_online": figures["devices_online"],
        "devices_registered": figures["devices_registered"],
        "emergencies_counted": sum(s["emergencies"] for s in figures["streets"]),
        "tasks_open": sum(figures["tasks"].values()),
        "stored_today": figures["stored_today"],
    }


async def test_the_page_shows_what_the_api_says_and_that_what_the_database_holds(
    database_dsn: str,
) -> None:
    """Every single figure, every street."""
    await fill(database_dsn)
    await register(database_dsn)
    async with served_gateway(database_dsn, meter={"enabled": False}, **QUARTER) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1))
            await device.expect_acks_of(1)
        async with open_page(gateway.http) as (page, seen):
            figures = await ask(gateway.http)
            assert await shown(page) == singles(figures)
            streets = await page.locator("#streets tr").evaluate_all(
                "all => all.map(e => [e.dataset.street, e.cells[1].textContent])"
            )
            assert {int(code): int(n.replace(",", "")) for code, n in streets} == {
                street["code"]: street["reports"] for street in figures["streets"]
            }
            assert await page.locator("#map circle.bubble").count() == 13
            assert await text(page, "#of") == "of 265,735 · 45.1 %"
            assert await text(page, "#closes") == "It closes: nothing is lost"
            assert seen.errors == []
        (ledger,) = await Look(database_dsn).ledger()
        names = ("received", "stored", "duplicate", "quarantined", "refused")
        assert tuple(figures["ledger"][name] for name in names) == ledger
        assert ledger[:2] == (123_457, 120_001)
        rows = await Look(database_dsn).rows(
            "SELECT street_code, sum(reports)::int FROM report_count GROUP BY 1"
        )
        assert dict(rows) == {s["code"]: s["reports"] for s in figures["streets"]}
        assert (figures["devices_online"], figures["devices_registered"]) == (7, 3)


def digits(shown_money: str) -> str:
    """¥1,234.50 as the API writes it."""
    return shown_money.translate(str.maketrans("−", "-", "¥, %"))


async def test_money_is_that_of_the_statement(database_dsn: str) -> None:
    """To the last digit: the saving, both bars, each line of the table."""
    await fill(database_dsn)
    async with (
        served_gateway(database_dsn, meter={"enabled": False}, **QUARTER) as gateway,
        open_page(gateway.http) as (page, seen),
    ):
        await expect(page.locator("#bill")).to_be_visible()
        bill = make_lines(await asyncio.to_thread(make_bill, settings_of(database_dsn, **QUARTER)))
        figures = await ask(gateway.http)
        assert make_lines(figures["bill"]) == bill
        rows = await page.locator("#tariffs tr").evaluate_all(
            "all => all.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        assert len(bill) == len(rows) == 5
        for line, row in zip(bill.values(), rows, strict=True):
            assert row[0].removesuffix(" *") == line["name"]
            assert row[0].endswith(" *") == line["assumption"]
            saving = "–" if line["is_sms"] else line["saving_percent"]
            sums = [line["cost"], line["per_report"], line["a_year"], saving]
            assert [digits(cell) for cell in row[1:]] == sums
        spent, sms = bill["gprs-2006-plan-20"], bill["sms-2006"]
        assert digits(await text(page, "#spent-cost")) == spent["cost"]
        assert digits(await text(page, "#sms-cost")) == sms["cost"]
        assert digits(await text(page, "#saving")) == spent["saving"].removeprefix("-")
        word = "dearer than SMS" if spent["saving"].startswith("-") else "saved against SMS"
        assert await text(page, "#saved") == word
        assert seen.errors == []


async def test_money_that_is_still_being_counted_says_so(database_dsn: str) -> None:
    """A bill of half of the reports is no saving and no loss yet."""
    await fill(database_dsn)
    await register(database_dsn)
    async with served_gateway(database_dsn, meter={"enabled": False}, **QUARTER) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(backlog(12))
            await device.expect_acks_of(*range(1, 13))
        async with open_page(gateway.http) as (page, _):
            await expect(page.locator("#saved")).to_contain_text("still counting")
            assert await text(page, "#uncounted") == "12 more are still to be counted."
            assert await page.locator("#bill.unfinished").count() == 1


def make_lines(bill: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The lines of a bill by tariff."""
    return {line["tariff"]: line for line in bill["lines"]}


async def test_it_follows_what_is_stored(database_dsn: str) -> None:
    """A report that a handset sends while somebody looks; its device is online."""
    await register(database_dsn)
    async with served_gateway(database_dsn) as gateway, open_page(gateway.http) as (page, seen):
        await expect(page.locator("#newest")).to_have_text("None so far")
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1, description="新的案件"))
            await device.expect_acks_of(1)
            await expect(page.locator("#newest li")).to_contain_text("新的案件")
            assert await number(page, "ledger.stored") == await number(page, "stored_today") == 1
            assert await number(page, "devices_online") == 1
            await device.send(backlog(40, first_sequence=2))
            await device.expect_acks_of(*range(2, 42))
            await expect(page.locator('.hero [data-figure="ledger.stored"]')).to_have_text("41")
        await expect(page.locator("#rate-now")).to_have_text(re.compile(r"\d"))
        await expect(page.locator("#p95-now")).to_have_text(re.compile(r"\d"))
        assert await page.locator(".chart canvas").count() == 2
        today = day_of(int(time.time()))
        title = f"Stored this month, {today.replace(day=1)} to {today}"
        assert await text(page, "#progress-title") == title
        assert not await page.locator("#bar").is_visible()
        assert seen.errors == []


async def test_emergencies_are_red_and_said(database_dsn: str) -> None:
    """In a list of their own, with the word, because not everybody sees colours."""
    await register(database_dsn)
    async with served_gateway(database_dsn) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1, urgency=Urgency.EMERGENCY, description="燃气泄漏"), wire(2))
            await device.expect_acks_of(1, 2)
        async with open_page(gateway.http) as (page, seen):
            entry = page.locator("#emergencies li.emergency")
            await expect(entry).to_have_count(1)
            assert "Emergency" in await text(page, "#emergencies strong")
            assert "燃气泄漏" in await text(page, "#emergencies")
            red = await entry.locator("strong").evaluate("e => getComputedStyle(e).color")
            assert red == "rgb(179, 32, 42)"
            assert await page.locator("#newest li.emergency").count() == 1
            assert seen.errors == []


async def test_hostile_text_stays_text(database_dsn: str) -> None:
    """What an inspector's handset sends is shown, never obeyed."""
    await register(database_dsn)
    async with served_gateway(database_dsn) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1, description=HOSTILE, urgency=Urgency.EMERGENCY))
            await device.expect_acks_of(1)
        async with open_page(gateway.http) as (page, seen):
            for place in ("#newest", "#emergencies"):
                await expect(page.locator(f"{place} .text")).to_have_text(HOSTILE)
            assert await page.locator("ol img, ol script").count() == 0
            assert await page.evaluate("window.hacked") is None
            assert seen.errors == []


async def test_it_survives_a_restart_of_the_gateway(database_dsn: str, tmp_path: Path) -> None:
    """It says that there is no connection, and goes on by itself on the same port."""
    settings = {"GATEWAY_DATABASE__DSN": database_dsn}
    await fill(database_dsn)
    log = tmp_path / "gateway.log"
    with gateway_process(log, "here", settings) as gateway:
        async with open_page(f"http://127.0.0.1:{gateway.http_port}") as (page, seen):
            state = page.locator("body")
            await asyncio.to_thread(gateway.kill)
            await expect(state).to_have_attribute("data-state", "gone")
            assert (await text(page, "#status")).startswith("No connection, figures of ")
            assert await number(page, "ledger.stored") == 120_000
            await asyncio.to_thread(gateway.start)
            await expect(state).to_have_attribute("data-state", "live")
            assert await text(page, "#status") == "Live"
            # The browser itself writes down that nobody answered; the page writes nothing.
            assert [error for error in seen.errors if "net::ERR_" not in error] == []


async def test_a_database_that_is_away(database_dsn: str) -> None:
    """It says so and shows the last figures as such; then it goes on by itself."""
    await fill(database_dsn)
    async with (
        fault_proxy(database_dsn) as proxy,
        served_gateway(proxy.dsn(database_dsn)) as gateway,
        open_page(gateway.http) as (page, seen),
    ):
        proxy.cut()
        await expect(page.locator("body")).to_have_attribute("data-state", "database")
        assert (await text(page, "#status")).startswith("Database away, figures of ")
        assert await number(page, "ledger.stored") == 120_000
        proxy.flow()
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        assert seen.errors == []


async def test_two_languages(database_dsn: str) -> None:
    """As the browser prefers; the other by a button, with the keyboard too; remembered."""
    async with served_gateway(database_dsn) as gateway:
        async with open_page(gateway.http, locale="zh-CN") as (page, seen):
            assert await text(page, "h1") == "外业网关"
            assert await page.locator("html").get_attribute("lang") == "zh-CN"
            button = page.get_by_role("button", name="Switch to English")
            await page.keyboard.press("Tab")
            await expect(button).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.locator("h1")).to_have_text("Field gateway")
            await page.reload()
            await expect(page.locator("h1")).to_have_text("Field gateway")
            await expect(page.locator("body")).to_have_attribute("data-state", "live")
            assert not re.search(r"[\u4e00-\u9fff]", await text(page, "main"))
            assert seen.errors == []
        async with open_page(gateway.http, locale="fr-FR") as (page, _):
            assert await text(page, "h1") == "Field gateway"


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_nothing_sticks_out(database_dsn: str, locale: str) -> None:
    """No scrolling sideways, from a phone to a wall, whatever was reported."""
    await fill(database_dsn)
    await register(database_dsn)
    async with served_gateway(database_dsn, meter={"enabled": False}, **QUARTER) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1, description=LONG, urgency=Urgency.EMERGENCY))
            await device.expect_acks_of(1)
        async with open_page(gateway.http, locale=locale) as (page, seen):
            await expect(page.locator("#bill")).to_be_visible()
            for width in (360, 768, 1_280, 1_920):
                await page.set_viewport_size({"width": width, "height": 800})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert seen.errors == []


CONTRASTS: Final = """() => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return /, 0\\)$/.test(color) ? ground(element.parentElement) : color;
  };
  const own = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll("body *")]
    .filter((element) => own(element) && element.checkVisibility() && !element.closest("svg"))
    .map((element) => {
      const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
      return [element.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""
"""Each text that is seen, with its contrast as WCAG 2 calculates it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_can_be_read(database_dsn: str, scheme: str) -> None:
    """Contrast of 4.5 at least, in both schemes, also of emergencies."""
    await fill(database_dsn)
    await register(database_dsn)
    async with served_gateway(database_dsn, meter={"enabled": False}, **QUARTER) as gateway:
        async with greeted(gateway.tcp) as device:
            await device.send(wire(1, urgency=Urgency.EMERGENCY))
            await device.expect_acks_of(1)
        async with open_page(gateway.http, color_scheme=scheme) as (page, _):
            await expect(page.locator("#bill")).to_be_visible()
            contrasts = await page.evaluate(CONTRASTS)
            assert len(contrasts) > 60
            assert [pair for pair in contrasts if pair[1] < 4.5] == []


async def test_nobody_looks_and_nothing_is_asked(database_dsn: str) -> None:
    """A page in the background leaves the gateway alone, and asks at once when it is seen."""
    async with served_gateway(database_dsn) as gateway, open_page(gateway.http) as (page, _):
        await page.clock.install()
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => window.isHidden === true})"
        )
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.evaluate("window.isHidden = true")
        await page.clock.fast_forward(60_000)
        before = len(asked)
        await page.clock.fast_forward(600_000)
        assert len(asked) == before <= 1
        async with page.expect_request("**/api/figures*"):
            await page.evaluate(
                "window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))"
            )
