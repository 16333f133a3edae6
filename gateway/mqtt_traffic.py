"""The links of devices that speak over the broker: one meter for each device that greeted or was
looked up here.
"""

from collections.abc import Callable

from gateway import observe_meter
from gateway.mqtt_meter import MqttMeter
from gateway.parcel import Transport
from gateway.traffic_meter import Link, TrafficMeter

Key = tuple[int, int]
"""Device and installation."""


class MqttTraffic:
    """Tells the meters what was seen."""

    def __init__(self, station: TrafficMeter, monotonic: Callable[[], float]) -> None:
        self.is_5 = True
        """Whether the broker speaks version 5, and so do its devices."""
        self._station = station
        self._monotonic = monotonic
        self._links: dict[Key, tuple[Link, MqttMeter]] = {}

    def greeted(self, key: Key, size: int) -> None:
        """A device that is admitted has published a hello."""
        now = self._monotonic()
        found = self._links.get(key)
        if found is None or found[1].is_of_another_connection(now):
            self.forget(key)
            found = self._of(key)
            found[0].connected()
        found[1].greeted(size, now)

    def published(self, key: Key, size: int) -> None:
        """It has published another frame."""
        self._of(key)[1].published(size, self._monotonic())

    def replied(self, key: Key, size: int) -> None:
        """A frame for it was given to the broker. One to who is not admitted is nobody's."""
        found = self._links.get(key)
        if found is None:
            observe_meter.strangers_traffic(Transport.MQTT, size)
        else:
            found[1].replied(size, self._monotonic())

    def left(self, key: Key, size: int) -> None:
        """Goodbye, from the device or as its will."""
        found = self._links.pop(key, None)
        if found is not None:
            link, meter = found
            meter.published(size, self._monotonic())
            link.end(by_peer=True)

    def forget(self, key: Key) -> None:
        """The device is not known any more, or has been silent longest."""
        found = self._links.pop(key, None)
        if found is not None:
            found[0].end(by_peer=False)

    def _of(self, key: Key) -> tuple[Link, MqttMeter]:
        found = self._links.get(key)
        if found is None:
            meter = MqttMeter(
                *key,
                is_5=self.is_5,
                keepalive_seconds=self._station.mqtt_keepalive_seconds,
                now=self._monotonic(),
            )
            link = self._station.begin(Transport.MQTT, meter)
            found = self._links[key] = link, meter
            link.belongs_to(key[0])
        return found
