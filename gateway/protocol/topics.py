"""MQTT topics: who a device is stands in the topic, and the broker's access rules make it true."""

from typing import Final

from gateway.protocol.limits import MAX_DEVICE_ID, MAX_INSTALLATION

PREFIX: Final = "fg/1"
"""The field gateway's topics of protocol version 1."""

CONTENT_TYPE: Final = "application/msgpack"
"""Stated with each message where the broker speaks MQTT 5."""

UP_FILTER: Final = f"{PREFIX}/+/up/+"
"""What a gateway subscribes to."""

_PARTS_BEHIND_PREFIX: Final = 3


def shared(group: str, topic_filter: str) -> str:
    """A filter whose messages are divided among all gateways of a group (MQTT 5, section 4.8.2)."""
    return f"$share/{group}/{topic_filter}"


def up_topic(device: int, installation: int) -> str:
    """Where a device publishes its frames."""
    return f"{PREFIX}/{device}/up/{installation}"


def down_topic(device: int, installation: int) -> str:
    """Where a device reads the gateway's frames. The installation stands in it so that an ack to
    a handset that was wiped meanwhile is never taken for one of its new reports.
    """
    return f"{PREFIX}/{device}/down/{installation}"


def parse_up_topic(topic: str) -> tuple[int, int] | None:
    """Device and installation of a topic that a device published to, or None if it is no such."""
    if not topic.startswith(f"{PREFIX}/"):
        return None
    parts = topic[len(PREFIX) + 1 :].split("/")
    if len(parts) != _PARTS_BEHIND_PREFIX or parts[1] != "up":
        return None
    device = _number(parts[0], MAX_DEVICE_ID)
    installation = _number(parts[2], MAX_INSTALLATION)
    if not device or installation is None:
        return None
    return device, installation


def _number(text: str, highest: int) -> int | None:
    """A decimal number in its only spelling: no sign, no leading zero, ASCII digits."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(highest)):
        return None
    number = int(text)
    return number if number <= highest and str(number) == text else None
