"""The model of a device's connection to the broker, reckoned by hand. The end-to-end test holds it
against the wire.
"""

import pytest

from gateway.mqtt_meter import (
    ACK_DELAY_SECONDS,
    MOST_SILENT_SECONDS,
    REPEATED_HELLO_SECONDS,
    TOGETHER_SECONDS,
    MqttMeter,
)

H = 52
"""IPv4 and TCP with time stamps."""

PING_UP, PING_DOWN = 2 + 2 * H, 2 + H


def meter(*, is_5: bool = False, keepalive: float = 270.0, now: float = 0.0) -> MqttMeter:
    """Of device 1, installation 1: its topics are `fg/1/1/up/1` (11) and `fg/1/1/down/1` (13)."""
    return MqttMeter(1, 1, is_5=is_5, keepalive_seconds=keepalive, now=now)


@pytest.mark.parametrize("is_5, properties", [(False, 0), (True, 1 + 3 + 19)])
def test_one_report_and_its_ack(*, is_5: bool, properties: int) -> None:
    """PUBLISH, PUBACK acked 40 ms later, the reply that gathered meanwhile, acked too."""
    one = meter(is_5=is_5)
    one.published(40, 0.0)
    assert one.read(0.0) == (2 + 2 + 11 + 2 + properties + 40 + H + H, 4 + H)
    one.replied(5, 0.01)
    up, down = one.read(0.02)
    assert up == 2 + 2 + 11 + 2 + properties + 40 + 3 * H
    assert down == 4 + 2 + 2 + 13 + properties + 5 + 2 * H


def test_a_connection() -> None:
    """SYN, ack, CONNECT with a will, SUBSCRIBE, and what the broker says, in version 3.1.1."""
    connect = 2 + 10 + (2 + 4) + (2 + 11) + (2 + 4) + (2 + 1) + (2 + 32)
    subscribe = 2 + 2 + 2 + 13 + 1
    hello = 2 + 2 + 11 + 2 + 30 + H
    one = meter()
    assert one.is_of_another_connection(0.0)
    one.greeted(30, 0.0)
    assert one.read(0.0) == (
        60 + H + connect + H + subscribe + H + 2 * H + hello + H,
        60 + H + 4 + H + 5 + H + 4 + H,
    )


def test_a_repeated_hello_is_no_connection() -> None:
    """No welcome came; much later it is another connection."""
    one = meter(keepalive=1e6)
    one.greeted(30, 0.0)
    before, _ = one.read(0.0)
    assert not one.is_of_another_connection(REPEATED_HELLO_SECONDS)
    assert one.is_of_another_connection(REPEATED_HELLO_SECONDS + 0.001)
    one.greeted(30, 60.0)
    assert one.read(60.0)[0] == before + 2 + 2 + 11 + 2 + 30 + 2 * H


def test_reports_sent_together_share_segments() -> None:
    """And so do their PUBACKs but the first; the bound is ten milliseconds from the one before."""
    apart, together = meter(), meter()
    for number in range(10):
        apart.published(40, number * (TOGETHER_SECONDS * 1.01))
        together.published(40, number * TOGETHER_SECONDS * 0.99 / 10)
    up, down = together.read(1.0)
    assert up == 10 * 57 + H + 2 * H
    assert down == 10 * 4 + 2 * H
    assert apart.read(1.0)[0] == up + 8 * H


def test_a_full_segment() -> None:
    """1,448 bytes fit into one, the next begins another."""
    for payload, segments in ((1_448 - 18, 1), (1_448 - 17, 2)):
        one = meter()
        one.published(payload, 0.0)
        assert one.read(0.0)[0] == payload + 18 + segments * H + H


def test_the_next_report_carries_the_ack_of_the_last_puback() -> None:
    """Within 40 ms; at 40 ms the ack has gone by itself."""
    early, late = meter(), meter()
    for one, at in ((early, ACK_DELAY_SECONDS - 0.001), (late, ACK_DELAY_SECONDS)):
        one.published(40, 0.0)
        one.published(40, at)
    assert late.read(1.0)[0] - early.read(1.0)[0] == H


def test_pings_of_a_silence() -> None:
    """Each after the keep-alive; none before, and none twice."""
    one = meter(keepalive=10.0)
    one.greeted(30, 0.0)
    up, down = one.read(9.9)
    assert one.read(10.0) == (up + PING_UP, down + PING_DOWN)
    assert one.read(19.9) == (up + PING_UP, down + PING_DOWN)
    one.published(40, 35.0)
    assert one.read(44.9)[0] == up + 3 * PING_UP + 57 + 2 * H


def test_nobody_pings_for_ever() -> None:
    """After half a day without a word the goodbye was lost."""
    one = meter(keepalive=MOST_SILENT_SECONDS / 10)
    one.greeted(30, 0.0)
    up, _ = one.read(0.0)
    ends = [one.read(hours * 3_600.0)[0] for hours in range(1, 100)]
    assert ends[-1] == up + 10 * PING_UP


def test_a_device_that_was_not_seen_to_connect_pings_elsewhere() -> None:
    """The gateway that has its hello counts them."""
    one = meter(keepalive=10.0)
    one.published(40, 0.0)
    assert one.read(0.0) == one.read(100.0)


def test_the_end() -> None:
    """With a goodbye DISCONNECT, its FIN and ack, the broker's FIN; without, nothing is known."""
    one = meter()
    up, down = one.read(0.0)
    assert one.close(0.0, by_peer=False) == (up, down)
    assert one.close(0.0, by_peer=True) == (up + 2 + 2 * H, down + H)


def test_long_packets_have_longer_lengths() -> None:
    """A remaining length of 128 takes two bytes."""
    short, long = meter(), meter()
    short.published(127 - 15, 0.0)
    long.published(128 - 15, 0.0)
    assert long.read(0.0)[0] - short.read(0.0)[0] == 2
