"""A frame that is no acceptable message: kept whole, and its sender told why."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome, Rejected, reject_all
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import BadFrame


def handle(bad: BadFrame, _context: Context) -> Outcome:
    """Reject each report that it was to bring; without a readable number, the frame itself."""
    if bad.first_sequence is None:
        return Outcome(rejected=[Rejected(None, bad.code, bad.detail)])
    end = min(bad.first_sequence + bad.count, MAX_SEQUENCE + 1)
    return reject_all(range(bad.first_sequence, end), bad.code, bad.detail)
