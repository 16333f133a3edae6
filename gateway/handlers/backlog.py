"""A backlog: each of its reports is judged alone, so a bad one costs only itself."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome, Rejected, reject_all
from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.limits import MAX_SEQUENCE
from gateway.protocol.messages import WireBacklog
from gateway.protocol.validity import report_fault
from gateway.protocol.wire_report import unpack_backlog


def handle(message: WireBacklog, context: Context) -> Outcome:
    """Store the good reports and reject the bad ones; reject all when it cannot be unpacked."""
    first = message.first_sequence
    sequences = range(first, min(first + len(message.times), MAX_SEQUENCE + 1))
    edition = context.edition(message.edition)
    if edition is None:
        detail = f"edition {message.edition}"
        return reject_all(sequences, RefusalCode.UNKNOWN_EDITION, detail)
    try:
        reports = unpack_backlog(message, edition)
    except RemoteProtocolError as error:
        return reject_all(sequences, error.code, error.detail)
    outcome = Outcome()
    for report in reports:
        fault = report_fault(report, edition, context.now)
        if fault:
            outcome.rejected.append(Rejected(report.sequence, *fault))
        else:
            outcome.reports.append(report)
    return outcome
