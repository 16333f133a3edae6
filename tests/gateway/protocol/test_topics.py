"""Topics: built and read back, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gateway.protocol.limits import MAX_DEVICE_ID, MAX_INSTALLATION
from gateway.protocol.topics import (
    CONTENT_TYPE,
    EVENTS,
    PREFIX,
    TASK_CANCEL,
    TASK_FILTER,
    TASK_REQUEST,
    UP_FILTER,
    budget_topic,
    device_topic,
    down_topic,
    emergency_topic,
    gateway_topic,
    parse_up_topic,
    quarantine_topic,
    report_topic,
    shared,
    task_request_topic,
    task_topic,
    up_topic,
)
from tests.helpers.strategies import UNHURRIED


def test_topics_are_spelt_so() -> None:
    """Handsets and brokers are configured with these words."""
    assert up_topic(5, 7) == "fg/1/5/up/7"
    assert down_topic(5, 7) == "fg/1/5/down/7"
    assert UP_FILTER == "fg/1/+/up/+"
    assert shared("gateway", UP_FILTER) == "$share/gateway/fg/1/+/up/+"
    assert (PREFIX, CONTENT_TYPE) == ("fg/1", "application/msgpack")


PUBLISHED = {
    report_topic(440307003, "event", "0203", "ordinary"): (
        "fg/1/event/report/440307003/event/0203/ordinary"
    ),
    emergency_topic(440307003, "component", "0101"): (
        "fg/1/event/emergency/440307003/component/0101"
    ),
    quarantine_topic(5): "fg/1/event/quarantine/5",
    task_topic(5, "sent"): "fg/1/event/task/5/sent",
    task_request_topic("refused"): "fg/1/event/task-request/refused",
    budget_topic(5): "fg/1/event/budget/5",
    budget_topic(None): "fg/1/event/budget/all",
    device_topic(5): "fg/1/event/device/5",
    gateway_topic("north"): "fg/1/event/gateway/north",
}


def test_topics_for_other_programs_are_spelt_so() -> None:
    """Workflow services publish to these and subscribe to those."""
    assert (TASK_REQUEST, TASK_CANCEL) == ("fg/1/task/request", "fg/1/task/cancel")
    assert list(PUBLISHED) == list(PUBLISHED.values())
    assert all(topic.startswith(f"{EVENTS}/") for topic in PUBLISHED)


def test_a_gateway_hears_requests_and_devices_and_never_itself() -> None:
    """No filter of a gateway takes in what another filter is for, nor an event."""
    for topic in (TASK_REQUEST, TASK_CANCEL):
        assert topic_matches_sub(TASK_FILTER, topic)
        assert not topic_matches_sub(UP_FILTER, topic)
        assert parse_up_topic(topic) is None
    assert not topic_matches_sub(TASK_FILTER, up_topic(5, 7))
    for topic in PUBLISHED:
        assert not topic_matches_sub(TASK_FILTER, topic)
        assert not topic_matches_sub(UP_FILTER, topic)
        assert parse_up_topic(topic) is None


@pytest.mark.parametrize("sign", list("+#/.*>$ \x00\x1f\x7f"))
def test_a_gateways_name_is_one_level(sign: str) -> None:
    """Signs that would make levels, or a topic that nobody may publish to, are replaced."""
    assert gateway_topic(f"a{sign}b-1井") == "fg/1/event/gateway/a_b-1井"


@UNHURRIED
@given(st.integers(1, MAX_DEVICE_ID), st.integers(0, MAX_INSTALLATION))
def test_up_topic_is_read_back(device: int, installation: int) -> None:
    """Every device and installation has a topic of its own."""
    assert parse_up_topic(up_topic(device, installation)) == (device, installation)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "fg/1",
        "fg/1/",
        "fg/1/5",
        "fg/1/5/up",
        "fg/1/5/up/",
        "fg/1/5/up/7/",
        "fg/1/5/up/7/8",
        "fg/1//up/7",
        "fg/1/5/down/7",
        "fg/1/5/UP/7",
        "fg/2/5/up/7",
        "fg/15/up/7",
        "/fg/1/5/up/7",
        "fg/1/0/up/7",  # no device has the number 0
        "fg/1/05/up/7",
        "fg/1/5/up/07",
        "fg/1/+5/up/7",
        "fg/1/-5/up/7",
        "fg/1/5/up/-1",
        "fg/1/ 5/up/7",
        "fg/1/5_0/up/7",
        "fg/1/٥/up/7",  # a digit of another script
        "fg/1/²/up/7",
        "fg/1/5/up/+",
        "fg/1/#",
        f"fg/1/{2**53}/up/7",
        f"fg/1/5/up/{2**31}",
        "fg/1/" + "9" * 5_000 + "/up/7",
    ],
)
def test_any_other_topic_is_none(topic: str) -> None:
    """One device, one spelling: what the access rules did not see as that device is not read."""
    assert parse_up_topic(topic) is None


def test_limits_of_the_numbers() -> None:
    """The largest device and installation are read, as is installation 0."""
    assert parse_up_topic(f"fg/1/{2**53 - 1}/up/{2**31 - 1}") == (2**53 - 1, 2**31 - 1)
    assert parse_up_topic("fg/1/1/up/0") == (1, 0)


@UNHURRIED
@given(st.text(max_size=40) | st.text("fg/1up5+#0", max_size=20))
def test_any_text_is_read_or_none(topic: str) -> None:
    """A topic is never an exception, and what is read is spelt as we spell it."""
    found = parse_up_topic(topic)
    assert found is None or up_topic(*found) == topic
