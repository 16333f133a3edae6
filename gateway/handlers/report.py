"""A single report: unpack it, check it, store it."""

from gateway.handlers.context import Context
from gateway.handlers.outcome import Outcome, reject_all
from gateway.protocol.errors import RefusalCode, RemoteProtocolError
from gateway.protocol.messages import WireReport
from gateway.protocol.validity import report_fault
from gateway.protocol.wire_report import unpack_report


def handle(message: WireReport, context: Context) -> Outcome:
    """Store the report, or reject it with the first fault that it has."""
    edition = context.edition(message.edition)
    if edition is None:
        detail = f"edition {message.edition}"
        return reject_all([message.sequence], RefusalCode.UNKNOWN_EDITION, detail)
    try:
        report = unpack_report(message, edition)
    except RemoteProtocolError as error:
        return reject_all([message.sequence], error.code, error.detail)
    fault = report_fault(report, edition, context.now)
    if fault:
        return reject_all([message.sequence], *fault)
    return Outcome(reports=[report])
