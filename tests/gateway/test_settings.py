"""The defaults."""

import socket

from gateway.settings import Settings
from gateway.settings_loader import load_settings


def test_defaults() -> None:
    """Nothing has to be set; the gateway has the name of its machine."""
    settings = load_settings(None, {})
    assert settings == Settings()
    assert settings.name == socket.gethostname()
    assert settings.tcp.enabled
    assert not settings.mqtt.enabled
