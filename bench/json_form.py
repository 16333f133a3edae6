"""The same report as compact JSON."""

import msgspec

from gateway.protocol.report import Report


def json_bytes(report: Report) -> bytes:
    """Compact JSON: no blanks, Chinese as UTF-8, the field names of `Report`."""
    return msgspec.json.encode(report)
