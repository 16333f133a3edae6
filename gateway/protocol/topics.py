"""MQTT topics: who a device is stands in the topic, and the broker's access rules make it true."""

import re
from typing import Final

from gateway.protocol.limits import MAX_DEVICE_ID, MAX_INSTALLATION

PREFIX: Final = "fg/1"
"""The field gateway's topics of protocol version 1."""

CONTENT_TYPE: Final = "application/msgpack"
"""Stated with each message where the broker speaks MQTT 5."""

UP_FILTER: Final = f"{PREFIX}/+/up/+"
"""What a gateway subscribes to."""

TASK_REQUEST: Final = f"{PREFIX}/task/request"
"""Where workflow services ask for tasks."""

TASK_CANCEL: Final = f"{PREFIX}/task/cancel"
"""Where they take them back."""

TASK_FILTER: Final = f"{PREFIX}/task/+"
"""What a gateway subscribes to for both."""

EVENTS: Final = f"{PREFIX}/event"
"""Below it stands all that gateways publish for subscribers."""

_PARTS_BEHIND_PREFIX: Final = 3
_UNFIT_IN_LEVEL: Final = re.compile(r"[\x00-\x20+#/.*>$\x7f]")
"""Wildcards and separators of MQTT, and of NATS, which some brokers are."""


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


def report_topic(street: int, kind: str, class_code: str, urgency: str) -> str:
    """Of a stored report, by what a subscriber wants to select. `kind` and `urgency` are words,
    `class_code` has all its digits: `fg/1/event/report/440307003/event/0203/ordinary`.
    """
    return f"{EVENTS}/report/{street}/{kind}/{class_code}/{urgency}"


def emergency_topic(street: int, kind: str, class_code: str) -> str:
    """Of an emergency, which is published here at once, and on its report topic in its turn."""
    return f"{EVENTS}/emergency/{street}/{kind}/{class_code}"


def quarantine_topic(device: int) -> str:
    """Of what a device sent and was not accepted."""
    return f"{EVENTS}/quarantine/{device}"


def task_topic(device: int, state: str) -> str:
    """Of a task that has reached a state."""
    return f"{EVENTS}/task/{device}/{state}"


def task_request_topic(verdict: str) -> str:
    """Of a request for tasks that was `accepted` or `refused`."""
    return f"{EVENTS}/task-request/{verdict}"


def budget_topic(whose: int | None) -> str:
    """Of a device that is on the way to exceed its budget; None: `all` together."""
    return f"{EVENTS}/budget/{'all' if whose is None else whose}"


def device_topic(device: int) -> str:
    """Whether a device is online; retained."""
    return f"{EVENTS}/device/{device}"


def gateway_topic(name: str) -> str:
    """Whether a gateway is online; retained. Signs with a meaning in MQTT are replaced."""
    return f"{EVENTS}/gateway/{_UNFIT_IN_LEVEL.sub('_', name)}"


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
