"""The end of a run: each handset behaves, and delivers all that is not settled until it is.

Here each claim is asked for alone, so that the answer is its own: what was sent twice with two
contents cannot be told apart from an ack that names a number.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from chaos.crew_claims import STORED, Claim
from chaos.crew_journal import Open
from chaos.crew_lines import LineEndedError, TcpLine
from chaos.crew_member import Member
from gateway.protocol.acks import covered
from gateway.protocol.errors import Resend
from gateway.protocol.messages import Ack, Message, Refusal

REPLY_WITHIN_SECONDS: Final = 10.0
"""Longer than a commit takes on a machine in which everything else also ends; then the connection
is given up and the claim sent again."""

RETRY_SECONDS: Final = (0.1, 1.0)
"""Back-off: from the first try to the longest wait."""

AT_ONCE: Final = 64
"""Claims under way that no answer can confuse."""


async def settle(member: Member) -> None:
    """Return when every claim of the device is settled. Tries for ever."""
    delay, gateway = RETRY_SECONDS[0], 0
    while claims := member.journal.open_claims(member.device):
        try:
            for installation, group in groupby(claims, key=lambda claim: claim.installation):
                await _settle_installation(member, gateway, installation, list(group))
            delay = RETRY_SECONDS[0]
        except (OSError, TimeoutError):
            await asyncio.sleep(delay * member.random.uniform(0.5, 1.0))
            delay = min(2 * delay, RETRY_SECONDS[1])
            gateway = (gateway + 1) % len(member.world.gateways)


async def _settle_installation(
    member: Member, gateway: int, installation: int, claims: Sequence[Open]
) -> None:
    sole = [claim for claim in claims if claim.is_sole]
    if sole:
        line = await member.over_tcp(gateway, installation)
        try:
            for begin in range(0, len(sole), AT_ONCE):
                await _deliver(member, line, sole[begin : begin + AT_ONCE])
        finally:
            line.cut()
    if len(sole) == len(claims):
        return
    # A connection of their own, on which no reply to those before is still under way.
    line = await member.over_tcp(gateway, installation)
    try:
        for claim in claims:
            if not claim.is_sole:
                await _ask(member, line, claim)
    finally:
        line.cut()


async def _deliver(member: Member, line: TcpLine, claims: Sequence[Open]) -> None:
    """Send what any ack of its number settles; `open_claims` finds it settled then."""
    for claim in claims:
        await line.send(claim.claim.body)
    async with asyncio.timeout(REPLY_WITHIN_SECONDS):
        while not all(member.journal.is_acked(claim.row) for claim in claims):
            for message in await line.receive(REPLY_WITHIN_SECONDS):
                if isinstance(message, Refusal):
                    await _obey(message)
                    return


async def _ask(member: Member, line: TcpLine, claim: Open) -> None:
    """Send one claim, alone, and take the answer for its own."""
    await line.send(claim.claim.body)
    answer = Answer(claim.claim)
    async with asyncio.timeout(REPLY_WITHIN_SECONDS):
        while answer.outcome is None and answer.later is None:
            for message in await line.receive(REPLY_WITHIN_SECONDS):
                answer.take(message)
    if answer.later is not None:
        await _obey(answer.later)
    elif answer.outcome is not None:
        member.journal.settle(claim.row, answer.outcome)


async def _obey(refusal: Refusal) -> None:
    if refusal.resend != Resend.NEVER:
        await asyncio.sleep(refusal.retry_after_seconds)
        raise LineEndedError(f"refused for now: {refusal.code}")


class Answer:
    """What a gateway says to one claim that is alone under way: a refusal, and then the ack that
    covers it; of a frame without a number only the refusal.
    """

    def __init__(self, claim: Claim) -> None:
        self.outcome: int | None = None
        """`STORED`, or the code that it was refused with; None: it is not all said yet."""
        self.later: Refusal | None = None
        """It is to be sent again after a while."""
        self._number = claim.sequence
        self._code = STORED

    def take(self, message: Message) -> None:
        """The next message."""
        if isinstance(message, Refusal):
            numbers = range(message.sequence, message.sequence + message.count)
            if (self._number or 0) not in numbers:
                return
            if message.resend != Resend.NEVER:
                self.later = message
                return
            self._code = message.code
            if self._number is None:
                self.outcome = message.code
        elif isinstance(message, Ack) and any(self._number in run for run in covered(message)):
            self.outcome = self._code
