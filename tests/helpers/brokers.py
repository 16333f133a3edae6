"""What tests ask of a broker, whichever it is, and how to get one."""

from __future__ import annotations

import os
from typing import Protocol

import pytest

from tests.helpers.mosquitto import find_mosquitto

REQUIRE_MOSQUITTO = "FIELD_GATEWAY_REQUIRE_MOSQUITTO"
"""Environment variable: 1 makes a missing Mosquitto an error. Set where all tests have to run."""

SHARED_SUBSCRIPTION_BROKERS = frozenset({"mosquitto"})
"""Those that speak MQTT 5 and divide a subscription among several gateways."""


class Broker(Protocol):
    """An MQTT broker on this machine."""

    @property
    def host(self) -> str:
        """Address."""

    @property
    def port(self) -> int:
        """TCP port for devices."""

    @property
    def gateway_port(self) -> int:
        """TCP port for gateways; may be the same."""

    def start(self) -> None:
        """Start and return when it takes connections."""

    def stop(self) -> None:
        """End in order."""

    def kill(self) -> None:
        """SIGKILL."""

    def restart(self) -> None:
        """Stop and start, at the same address."""


def need_mosquitto(program: str = "mosquitto", package: str = "mosquitto") -> None:
    """Skip the test, saying why, or fail it where Mosquitto is demanded, if it is not installed."""
    if find_mosquitto(program) is not None:
        return
    reason = f"{program} is not installed (apt-get install {package})"
    if os.environ.get(REQUIRE_MOSQUITTO) == "1":
        pytest.fail(reason)
    pytest.skip(reason)
