"""The share's name is a secret of the gateways; what an older version left behind is left."""

import pytest

from gateway.mqtt_share import NAME_DIGITS, WELL_KNOWN, share_name, to_leave, to_subscribe
from gateway.settings import MqttSettings


def test_gateways_with_one_password_have_one_share() -> None:
    """Whatever else is different. Another password makes another name; none can be read in it."""
    names = [share_name(MqttSettings(password="geheim", client_id=client_id)) for client_id in "ab"]
    assert names[0] == names[1] != share_name(MqttSettings(password="anders"))
    assert len(names[0]) == NAME_DIGITS
    assert "geheim" not in names[0]
    # Gateways of two versions must meet in one share: it may never change.
    assert names[0] == "0c5b0cd8f31c7804f31ce21d939ed96a"


@pytest.mark.parametrize("password", [None, ""])
def test_without_a_password(password: str | None) -> None:
    """A secret would keep nobody out."""
    assert share_name(MqttSettings(password=password)) == WELL_KNOWN


@pytest.mark.parametrize("group", ["", "gateway", "one of my own"])
def test_a_name_of_ones_own(group: str) -> None:
    """It is taken as it is."""
    assert share_name(MqttSettings(password="geheim", shared_group=group)) == group


def test_filters() -> None:
    """In the share, or without one."""
    assert to_subscribe("x") == ["$share/x/fg/1/+/up/+", "$share/x/fg/1/task/+"]
    assert to_subscribe("") == ["fg/1/+/up/+", "fg/1/task/+"]


@pytest.mark.parametrize(
    "name, left",
    [
        ("", []),
        (WELL_KNOWN, []),
        ("x", ["$share/gateway/fg/1/+/up/+", "$share/gateway/fg/1/task/+"]),
    ],
)
def test_what_is_left(name: str, left: list[str]) -> None:
    """The share that everybody knows, unless it is the one in use."""
    assert to_leave(name) == left
