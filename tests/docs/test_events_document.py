"""`docs/events.md` is true of the code."""

import json
import re
from pathlib import Path
from typing import Final

from gateway.protocol import topics
from tests.helpers.topic_addresses import address_of, addresses

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "events.md"

TEXT: Final = DOCUMENT.read_text(encoding="utf-8")


def test_the_table_lists_every_topic_of_events() -> None:
    """With the names of the code for what varies, and which are retained."""
    rows = re.findall(r"^\| `(fg/1/event/\S+)` \|.*\| (yes|) ?\|$", TEXT, re.MULTILINE)
    listed = {re.sub(r"<(\w+)>", r"{\1}", topic): retained for topic, retained in rows}
    below = f"{topics.EVENTS}/"
    assert set(listed) == {found for found in addresses() if found.startswith(below)}
    retained = {topic for topic, yes in listed.items() if yes}
    assert retained == {address_of(topics.device_topic), address_of(topics.gateway_topic)}


def test_filters_match_topics() -> None:
    """Every filter that it advises selects something that is published."""
    published = (
        topics.report_topic(440307003, "component", "0101", "ordinary"),
        topics.report_topic(440307003, "event", "0203", "ordinary"),
        topics.task_topic(1, "answered"),
        topics.task_request_topic("accepted"),
    )
    filters = set(re.findall(r"`(fg/1/event/[^`<]*[#+][^`<]*)`", TEXT))
    assert len(filters) >= 5
    for found in filters:
        pattern = re.escape(found).replace(r"\+", "[^/]+").replace(r"\#", ".*")
        assert any(re.fullmatch(pattern, topic) for topic in published), found


def test_addresses_and_links_exist() -> None:
    """Topics of requests are the code's, files are there, JSON is JSON."""
    assert f"`{topics.TASK_REQUEST}`" in TEXT
    assert f"`{topics.TASK_CANCEL}`" in TEXT
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (DOCUMENT.parent / link).exists()] == []
    (block,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert set(json.loads(block)) == {"id", "kind", "to", "text", "expires_at"}
