"""The share in which gateways divide the messages of handsets, under MQTT 5.

A broker hands each message to one member of the share. Mosquitto asks its access rules only when it
delivers, not when somebody subscribes: a handset that joined would be chosen in its turn, and its
part of all reports would be dropped on the way to it. So the share's name is a secret that every
gateway can make and no handset knows.
"""

import hashlib
import hmac
from typing import Final

from gateway.protocol import topics
from gateway.settings import MqttSettings

AUTO: Final = "auto"
"""The setting that asks for a name made of the password."""

WELL_KNOWN: Final = "gateway"
"""The name where there is no password, so that everybody may do everything; and the name that all
gateways used once, which the broker remembers with their sessions."""

NAME_DIGITS: Final = 32
"""128 bits: nobody guesses it."""

FILTERS: Final = (topics.UP_FILTER, topics.TASK_FILTER)
"""What gateways listen to."""


def share_name(settings: MqttSettings) -> str:
    """The name of the share; empty where each gateway takes all messages."""
    if settings.shared_group != AUTO:
        return settings.shared_group
    if not settings.password:
        return WELL_KNOWN
    key = settings.password.encode()
    return hmac.new(key, b"field-gateway mqtt share", hashlib.sha256).hexdigest()[:NAME_DIGITS]


def to_subscribe(name: str) -> list[str]:
    """The filters of a gateway in the share with this name."""
    return [topics.shared(name, each) if name else each for each in FILTERS]


def to_leave(name: str) -> list[str]:
    """The filters that an older version may have left in the session at the broker: with them each
    message would come a second time, and the well-known share would go on.
    """
    return [] if name in {"", WELL_KNOWN} else to_subscribe(WELL_KNOWN)
