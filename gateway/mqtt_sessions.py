"""Who speaks over MQTT: a device is known by its topic, looked up, and remembered for a while."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from gateway import observe, observe_limits
from gateway.admission import NOT_ADMITTED_RETRY_SECONDS, Admission, Admitted, Applicant
from gateway.batcher import Batcher
from gateway.fair_queue import FairQueue
from gateway.mqtt_client import Delivery, ManualAcks
from gateway.mqtt_traffic import MqttTraffic
from gateway.observe_limits import Limit
from gateway.parcel import Transport
from gateway.protocol import topics
from gateway.protocol.connection import Event
from gateway.protocol.errors import RefusalCode, Resend
from gateway.protocol.limits import WINDOW_REPORTS
from gateway.protocol.messages import BadFrame, Goodbye, Hello, Message, Refusal, encode
from gateway.protocol.proof import Greeting
from gateway.protocol.wire_report import is_urgent
from gateway.session import Session, Station, item_count

MAX_SESSIONS: Final = 50_000
"""Devices remembered; the one longest silent is forgotten first and looked up again when it
speaks. Some 50 MB."""

MAX_REPLIES: Final = 20_000
"""Replies that wait for the broker's socket. One that finds no room is dropped: its device sends
again."""

HANDLED_AT_ONCE: Final = 64
"""Messages taken out of the inbox before others may use the event loop: two milliseconds or so."""

MAX_UNDER_WAY: Final = 2 * WINDOW_REPORTS
"""Messages that wait and items that are being stored, of one device. An honest one has a window of
reports under way, and sends it once more when no ack comes for a minute."""

NOT_ADMITTED: Final = Refusal(
    RefusalCode.NOT_ADMITTED, Resend.LATER, retry_after_seconds=NOT_ADMITTED_RETRY_SECONDS
)

Key = tuple[int, int]
"""Device and installation."""


@dataclass(slots=True)
class Received:
    """A message from a device that waits for its turn."""

    key: Key
    event: Event
    body: bytes
    acks: ManualAcks
    delivery: Delivery

    def settled(self) -> None:
        """Nothing more is to be done with it: ack it to the broker."""
        self.acks.settled(self.delivery)

    def given_up(self) -> None:
        """It gets no verdict here; to its device it stays unacked."""
        self.acks.given_up(self.delivery)


class MqttSessions:
    """Takes messages in turn while the batcher has room, and queues the replies."""

    def __init__(
        self,
        station: Station,
        admission: Admission,
        batcher: Batcher,
        *,
        recheck_device_seconds: float,
        traffic: MqttTraffic | None = None,
    ) -> None:
        self.replies: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_REPLIES)
        """Topic and body of what is to be published."""
        self.no_room = asyncio.Event()
        """Set when a greeting finds no room: what is not settled must come again later."""
        self._station = station
        self._admission = admission
        self._batcher = batcher
        self._recheck_device_seconds = recheck_device_seconds
        self._traffic = traffic
        self._inbox: FairQueue[int, Received] = FairQueue()
        self._open: OrderedDict[Key, tuple[Session, float]] = OrderedDict()
        self._applying: dict[Key, deque[Received]] = {}
        self._waits = False
        """Whether `_go_on` will be called: there is no room, or it is others' turn."""

    def receive(self, received: Received) -> None:
        """Take a message; its turn comes when the batcher has room. An emergency has its turn at
        once, within its device's share.
        """
        if self._jumps(received):
            self._handle(received)
        elif self._has_too_much_under_way(received.key):
            self._refuse_for_now(received, Limit.WINDOW)
        else:
            self._inbox.add(received.key[0], received)
            self._pump()

    def forget_waiting(self) -> None:
        """Drop what has not had its turn: the broker delivers it again. Kept, it would come on top
        of that at each reconnect, without bound while nobody can be looked up.
        """
        self._inbox.clear()
        for waiting in self._applying.values():
            waiting.clear()

    def _jumps(self, received: Received) -> bool:
        if self._batcher.is_full_of_emergencies:
            return False
        entry = self._open.get(received.key)
        if entry is not None:
            is_first = not self._inbox.waiting(received.key[0])
            return (is_first or is_urgent(received.event)) and entry[0].may_jump(received.event)
        now = self._station.monotonic()
        allowance = self._station.allowances.of(received.key[0], now)
        return is_urgent(received.event) and allowance.emergencies.room(now) > 0

    def _has_too_much_under_way(self, key: Key) -> bool:
        waiting = self._inbox.waiting(key[0]) + len(self._applying.get(key, ()))
        entry = self._open.get(key)
        return waiting + (entry[0].unsettled_items if entry else 0) >= MAX_UNDER_WAY

    def _refuse_for_now(self, received: Received, limit: Limit) -> None:
        """Refuse it for now, and be done with it: its device has it still."""
        key, entry = received.key, self._open.get(received.key)
        if entry is not None:
            entry[0].refuse_for_now(received.event, limit)
        else:
            now = self._station.monotonic()
            observe_limits.over_limit(Transport.MQTT, limit)
            self._station.refused(Transport.MQTT, item_count(received.event))
            allowance = self._station.allowances.of(key[0], now)
            seconds = allowance.refuse(now)
            if allowance.may_be_told(now):
                code, later = RefusalCode.TOO_MANY_REPORTS, Resend.LATER
                self._reply(key, [Refusal(code, later, retry_after_seconds=seconds)])
        received.settled()

    def _pump(self) -> None:
        if self._waits:
            return
        for _ in range(HANDLED_AT_ONCE):
            if not self._inbox:
                return
            if self._batcher.is_full or self._batcher.is_full_of_emergencies:
                self._waits = True
                self._batcher.when_space(self._go_on)
                return
            self._handle(self._inbox.take())
        self._waits = True
        self._station.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        self._pump()

    def _handle(self, received: Received) -> None:
        event = received.event
        if isinstance(event, BadFrame):
            observe.bad_frame(Transport.MQTT, event.code)
        waiting = self._applying.get(received.key)
        if waiting is not None:
            waiting.append(received)
            return
        if isinstance(event, Goodbye):
            # Of a device that leaves, or its will. It opens no session: nobody has to be known.
            if self._traffic:
                self._traffic.left(received.key, len(received.body))
            self._forget(received.key)
            received.settled()
            return
        session = None if isinstance(event, Hello) else self._session(received.key)
        if session is None:
            self._apply(received)
        else:
            self._hand_over(session, received)

    def _hand_over(self, session: Session, received: Received) -> None:
        event = received.event
        if self._traffic:
            self._traffic.published(received.key, len(received.body))
        if isinstance(event, BadFrame) and not session.has_sent_bad_frame:
            session.has_sent_bad_frame = True
            observe.first_bad_frame("broker", session.device_id, event)
        try:
            session.handle(event, received.body, received.settled, received.given_up)
        except Exception as error:  # noqa: BLE001 - one message's bug must not hold up all behind it
            observe.session_failed(Transport.MQTT, session.device_id, "broker", error)
            received.given_up()

    def _session(self, key: Key) -> Session | None:
        """The device's session, if it was admitted not too long ago."""
        entry = self._open.get(key)
        if entry is None:
            return None
        session, admitted_at = entry
        if self._station.monotonic() - admitted_at > self._recheck_device_seconds:
            return None  # it stays until the answer: to be replaced, or to leave
        self._open.move_to_end(key)
        return session

    # Who may speak.

    def _apply(self, received: Received) -> None:
        """Look the device up; what it sends meanwhile waits for the answer."""
        key, event = received.key, received.event
        now = self._station.monotonic()
        if not self._station.allowances.of(key[0], now).greetings.take(1, now):
            self._refuse_for_now(received, Limit.GREETINGS)
            return
        nonce, settled_through = b"", 0
        if isinstance(event, Hello):
            nonce, settled_through = event.nonce, event.settled_through
        applicant = Applicant(
            Greeting(b"", nonce, *key),
            settled_through,
            None,
            lambda admitted: self._answer(received, admitted),
            lambda: self._turn_away(key),
        )
        self._applying[key] = deque()
        self._admission.apply(applicant)

    def _turn_away(self, key: Key) -> None:
        """It cannot be looked up now: what is not settled must come again later."""
        del self._applying[key]
        observe.turned_away(Transport.MQTT)
        self.no_room.set()

    def _answer(self, received: Received, admitted: Admitted | None) -> None:
        key = received.key
        waiting = self._applying.pop(key)
        if admitted is None:
            self._refuse(key, [received, *waiting])
            return
        session = self._admit(key, admitted)
        if isinstance(received.event, Hello):
            if self._traffic:
                self._traffic.greeted(key, len(received.body))
            now, edition = int(self._station.unix_time()), self._station.tables.current
            self._reply(key, [admitted.welcome(now, edition)])
            received.settled()
        self._station.arrived(session)
        if not isinstance(received.event, Hello):
            self._hand_over(session, received)
        ordinary: list[Received] = []
        for later in waiting:
            if self._jumps(later):
                self._handle(later)
            else:
                ordinary.append(later)
        # Before all that came later, and only as far as the batcher has room.
        self._inbox.add_first(key[0], ordinary)
        self._pump()

    def _admit(self, key: Key, admitted: Admitted) -> Session:
        # A welcome may be lost, or not be asked for: no ack may cover what only it tells.
        below_refused = [sequence - 1 for sequence, _ in admitted.refused]
        session = Session(
            self._station,
            *key,
            Transport.MQTT,
            settled_through=min([admitted.settled_through, *below_refused]),
            send=lambda messages: self._reply(key, messages),
            is_listening=lambda: not self.replies.full(),
            standing=admitted.standing,
            shut_out=lambda: self._shut_out(key),
        )
        self._open[key] = session, self._station.monotonic()
        self._open.move_to_end(key)
        if len(self._open) > MAX_SESSIONS:
            self._forget(next(iter(self._open)))
        observe.session_opened(Transport.MQTT, key[0], "broker")
        observe.sessions_open(Transport.MQTT, len(self._open))
        return session

    def _forget(self, key: Key) -> None:
        """Its device has left, is refused, or has been silent longest."""
        entry = self._open.pop(key, None)
        if entry is not None:
            self._station.left(entry[0])
            observe.sessions_open(Transport.MQTT, len(self._open))
        if self._traffic:
            self._traffic.forget(key)

    def _shut_out(self, key: Key) -> None:
        """What it sends next is looked up, whatever `recheck_device_seconds` says."""
        self._forget(key)
        self._reply(key, [NOT_ADMITTED])

    def _refuse(self, key: Key, waiting: list[Received]) -> None:
        observe.not_admitted(Transport.MQTT, key[0], "broker")
        self._forget(key)
        self._reply(key, [NOT_ADMITTED])
        for received in waiting:
            self._station.refused(Transport.MQTT, item_count(received.event))
            received.settled()

    def _reply(self, key: Key, messages: list[Message]) -> None:
        topic = topics.down_topic(*key)
        for message in messages:
            body = encode(message)
            try:
                self.replies.put_nowait((topic, body))
                if self._traffic:
                    self._traffic.replied(key, len(body))
            except asyncio.QueueFull:
                observe.reply_dropped(Transport.MQTT)
