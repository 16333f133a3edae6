"""Topics: who a device is stands in one, so no two spellings may mean the same."""

import re
from typing import Final

from gateway.protocol.limits import MAX_DEVICE_ID, MAX_INSTALLATION
from gateway.protocol.topics import gateway_topic, parse_up_topic, up_topic

_FORM: Final = re.compile(r"fg/1/([1-9][0-9]*)/up/(0|[1-9][0-9]*)", re.ASCII)


def check(data: bytes) -> None:
    """A topic names a device in exactly one way, as the protocol's text says it."""
    topic = data.decode("utf-8", "surrogateescape")
    for spelling in (topic, f"fg/1/{topic}", f"fg/1/1/up/{topic}"):
        _check_spelling(spelling)
    name = gateway_topic(topic)
    assert name.count("/") == 4  # noqa: PLR2004 - fg/1/event/gateway/ and the name
    assert not set(name) & set("+#\0 ")


def _check_spelling(topic: str) -> None:
    key = parse_up_topic(topic)
    match = _FORM.fullmatch(topic)
    numbers = (int(match[1]), int(match[2])) if match else None
    fits = numbers and numbers[0] <= MAX_DEVICE_ID and numbers[1] <= MAX_INSTALLATION
    assert key == (numbers if fits else None)
    if key:
        assert up_topic(*key) == topic
