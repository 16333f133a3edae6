"""A session without transport or store: the test holds parcels, replies and turns in its hands."""

from collections.abc import Callable

from gateway.allowance import Allowances
from gateway.parcel import ItemVerdict, Parcel, Transport, Verdict
from gateway.protocol.messages import Message
from gateway.session import Session, Station, TaskReply
from gateway.settings import LimitSettings
from tests.helpers.builders import NOW, TABLES


class Bench:
    """A session whose parcels, replies and turns of the loop the test holds in its hands."""

    def __init__(
        self,
        settled_through: int = 0,
        *,
        limits: LimitSettings | None = None,
        transport: Transport = Transport.TCP,
    ) -> None:
        self.refused: list[int] = []
        self.ended: list[int] = []
        self.parcels: list[Parcel] = []
        self.sent: list[list[Message]] = []
        self.soon: list[Callable[[], None]] = []
        self.seconds = 0.0
        self.is_crowded = False
        self.task_replies: list[TaskReply] = []
        station = Station(
            tables=TABLES,
            offer=self.parcels.append,
            refused=lambda _transport, items: self.refused.append(items),
            unix_time=lambda: float(NOW),
            monotonic=lambda: self.seconds,
            call_soon=self.soon.append,
            take_task_reply=self.task_replies.append,
            is_crowded=lambda: self.is_crowded,
            allowances=Allowances(limits),
        )
        self.session = Session(
            station,
            5,
            7,
            transport,
            settled_through=settled_through,
            send=self.sent.append,
            end=self.ended.append if transport is Transport.TCP else None,
        )

    def settle(self, place: int, *verdicts: ItemVerdict) -> None:
        """Storage's word on a parcel."""
        parcel = self.parcels[place]
        parcel.on_settled(parcel, list(verdicts))

    def store(self, place: int, verdict: Verdict = Verdict.STORED) -> None:
        """The same verdict on all of a parcel."""
        self.settle(
            place, *(ItemVerdict(v.sequence, verdict) for v in self.parcels[place].failed())
        )

    def turn(self) -> list[Message]:
        """End this turn of the event loop; what was sent in it."""
        due, self.soon[:] = self.soon[:], []
        for callback in due:
            callback()
        sent = [message for messages in self.sent for message in messages]
        self.sent.clear()
        return sent
