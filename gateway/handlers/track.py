"""A position track: stored and acked like a report."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome, reject_all
from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.messages import WireTrack
from gateway.protocol.validity import track_fault
from gateway.protocol.wire_report import unpack_track


def handle(message: WireTrack, context: Context) -> Outcome:
    """Store the track, or reject it with its first bad point."""
    edition = context.edition(message.edition)
    if edition is None:
        detail = f"edition {message.edition}"
        return reject_all([message.sequence], RefusalCode.UNKNOWN_EDITION, detail)
    try:
        track = unpack_track(message, edition)
    except RemoteProtocolError as error:
        return reject_all([message.sequence], error.code, error.detail)
    fault = track_fault(track, context.now)
    if fault:
        return reject_all([message.sequence], *fault)
    return Outcome(tracks=[track])
