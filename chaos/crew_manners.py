"""How a misbehaving handset sends its frames: from the usual way to not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from chaos.crew_claims import Frame
from chaos.crew_lines import Line, LineEndedError
from chaos.crew_member import Member
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import Ping, encode

LISTENS_SECONDS: Final = 1.0
"""How long one listens for acks after the last one came."""

DEAF_SECONDS: Final = 3.0
"""How long one that does not read goes on sending."""

LINGERS_SECONDS: Final = 8.0
"""How long a connection is kept open that nobody uses."""

BYTE_SECONDS: Final = 0.005
"""Between two bytes of one that sends them one by one."""

SLOW_BYTES: Final = 300
"""How many one sends in that way; then the rest at once."""

PINGS: Final = 64
_BAD_LENGTHS: Final = (b"\x00", b"\x80\x80\x01", b"\x82\x00", b"\xff\xff\xff\xff")

Manner = Callable[[Member, Sequence[Frame]], Awaitable[None]]


async def usual_tcp(member: Member, frames: Sequence[Frame]) -> None:
    """Send all over TCP, then listen."""
    line = await member.over_tcp(_gateway(member))
    await _send_and_listen(line, frames)


async def usual_mqtt(member: Member, frames: Sequence[Frame]) -> None:
    """Send all over MQTT, then listen."""
    await _send_and_listen(await member.over_mqtt(), frames)


async def everywhere(member: Member, frames: Sequence[Frame]) -> None:
    """Send the same to every gateway and to the broker at the same moment."""

    async def over_tcp(gateway: int) -> None:
        with suppress(OSError, TimeoutError):
            await _send_and_listen(await member.over_tcp(gateway), frames)

    async def over_mqtt() -> None:
        with suppress(OSError, TimeoutError):
            await usual_mqtt(member, frames)

    async with asyncio.TaskGroup() as tasks:
        for gateway in range(len(member.world.gateways)):
            tasks.create_task(over_tcp(gateway))
        tasks.create_task(over_mqtt())


async def byte_by_byte(member: Member, frames: Sequence[Frame]) -> None:
    """Send the beginning one byte at a time."""
    line = await member.over_tcp(_gateway(member))
    try:
        data = b"".join(encode_frame(frame.body) for frame in frames)
        for place in range(min(len(data), SLOW_BYTES)):
            await line.send_bytes(data[place : place + 1])
            await asyncio.sleep(BYTE_SECONDS)
        await line.send_bytes(data[SLOW_BYTES:])
        await _listen(line)
    finally:
        line.cut()


async def deaf(member: Member, frames: Sequence[Frame]) -> None:
    """Send and ask and never read, until nothing goes any more; then come back and go on."""
    line = await member.over_tcp(_gateway(member))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(DEAF_SECONDS):
                for frame in frames:
                    await line.send(frame.body)
                while True:
                    await line.send_bytes(encode_frame(encode(Ping())) * PINGS)
                    await asyncio.sleep(0)
        await _listen(line)
    finally:
        line.cut()


async def torn(member: Member, frames: Sequence[Frame]) -> None:
    """Stop in the middle of the last frame, and be gone."""
    line = await member.over_tcp(_gateway(member))
    try:
        data = b"".join(encode_frame(frame.body) for frame in frames)
        await line.send_bytes(data[: -member.random.randint(1, max(1, min(20, len(data) - 1)))])
    finally:
        line.cut()


async def vanished(member: Member, frames: Sequence[Frame]) -> None:
    """Send all, read nothing, and leave the connection open as if the handset had lost power."""
    line = await member.over_tcp(_gateway(member))
    try:
        for frame in frames:
            await line.send(frame.body)
        await asyncio.sleep(member.random.uniform(0, LINGERS_SECONDS))
    finally:
        line.cut()


async def silent(member: Member, frames: Sequence[Frame]) -> None:
    """Connect, perhaps greet, and say nothing; then send all, where it greeted."""
    gateway = _gateway(member)
    if member.random.random() < 0.5:  # noqa: PLR2004 -- a coin
        line = await member.stranger(gateway)
        try:
            await asyncio.sleep(member.random.uniform(0, LINGERS_SECONDS))
        finally:
            line.cut()
        return
    line = await member.over_tcp(gateway)
    await asyncio.sleep(member.random.uniform(0, LINGERS_SECONDS / 2))
    await _send_and_listen(line, frames)


async def misframed(member: Member, frames: Sequence[Frame]) -> None:
    """Send all, and behind it a length that cannot be."""
    stray = member.random.choice(_BAD_LENGTHS) + member.random.randbytes(40)
    member.journal.add_stray(member.device, member.installation, stray)
    line = await member.over_tcp(_gateway(member))
    try:
        for frame in frames:
            await line.send(frame.body)
        await line.send_bytes(stray)
        await _listen(line)
    finally:
        line.cut()


MANNERS: Final[Mapping[str, tuple[Manner, int]]] = MappingProxyType(
    {
        "usual, TCP": (usual_tcp, 4),
        "usual, MQTT": (usual_mqtt, 4),
        "everywhere": (everywhere, 3),
        "byte by byte": (byte_by_byte, 1),
        "deaf": (deaf, 1),
        "torn": (torn, 2),
        "vanished": (vanished, 1),
        "silent": (silent, 1),
        "misframed": (misframed, 1),
    }
)
"""By name, with how often each is taken in proportion to the others."""


def _gateway(member: Member) -> int:
    return member.random.randrange(len(member.world.gateways))


async def _send_and_listen(line: Line, frames: Sequence[Frame]) -> None:
    try:
        for frame in frames:
            await line.send(frame.body)
        await _listen(line)
    finally:
        line.cut()


async def _listen(line: Line) -> None:
    """Hear what comes until nothing comes for a while."""
    with suppress(LineEndedError):
        while await line.receive(LISTENS_SECONDS):
            pass
