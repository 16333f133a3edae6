"""The same report as the text that an SMS-based system would have sent, and as compact JSON.

What the handsets of the time really sent is not known. The template is an assumption [A], chosen
to be fair to SMS: codes instead of names, no words that a program does not need, one separator.

    SB,0203,1,0,0,44030700300101,22.65600,114.15100,12,20080320155900,2,17,,人行道有暴露垃圾

Fields: mark (SB, 上报), class code, kind, urgency, simple case and patrol in one digit, unit grid,
latitude, longitude, accuracy, China time, pictures, sequence number, component, description. The
device is not in it: an SMS states its sender.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import msgspec

from gateway.protocol.report import Report

CHINA_TIME: Final = timezone(timedelta(hours=8))
_PATROLS: Final = 3
_E5: Final = 100_000


def sms_text(report: Report) -> str:
    """The text of one report."""
    observed = datetime.fromtimestamp(report.observed_at, UTC).astimezone(CHINA_TIME)
    return ",".join(
        (
            "SB",
            f"{report.class_code:04d}",
            f"{report.kind:d}",
            f"{report.urgency:d}",
            f"{int(report.simple) * _PATROLS + report.patrol}",
            f"{report.grid}",
            f"{report.lat_e5 / _E5:.5f}",
            f"{report.lon_e5 / _E5:.5f}",
            f"{report.accuracy_m}",
            f"{observed:%Y%m%d%H%M%S}",
            f"{report.pictures}",
            f"{report.sequence}",
            "" if report.component is None else str(report.component),
            report.description,
        )
    )


def json_bytes(report: Report) -> bytes:
    """Compact JSON: no blanks, Chinese as UTF-8, the field names of `Report`."""
    return msgspec.json.encode(report)
