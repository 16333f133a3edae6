"""Bill the whole quarter of the scenario and write the table into `docs/cost-model.md`.

Run `python -m scripts.make_quarter_bill` after a change of tariffs, templates, the scenario or the
wire; a test fails until the document agrees. Nothing is sent: each report is one frame in one
segment, acked by one, and the ack acknowledged; nothing is lost. What a link carries beside that is
calculated as for a simulation.
"""

from datetime import date
from pathlib import Path
from typing import Final

from device_sim.fleet import Inspector
from device_sim.scenario import Scenario, longgang_q1
from gateway.cost.idle import HEADER_BYTES
from gateway.cost.old_texts import OldTexts, Templates
from gateway.cost.statement import Line, Period, Statement, make_statement
from gateway.cost.usage import OldMessages, Traffic, Usage
from gateway.price_lists import load_tariffs
from gateway.protocol.framing import encode_frame
from gateway.protocol.messages import Ack, Message, encode
from gateway.protocol.wire_report import pack_report
from gateway.reference import load_tables
from scripts.marked_blocks import replace_blocks

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "cost-model.md"
SEED: Final = 2008
QUARTER: Final = Period(date(2008, 1, 1), date(2008, 3, 31))
_HEAD: Final = (
    "| tariff | the quarter | a report | a year | less than SMS |",
    "|---|---|---|---|---|",
)


def quarter_bill(scenario: Scenario) -> Statement:
    """The bill of a scenario's reports, spread over the quarter."""
    texts = OldTexts(Templates())
    usages = [_usage(scenario, inspector, texts) for inspector in scenario.fleet.inspectors]
    played = Period(QUARTER.first, QUARTER.first)
    return make_statement(usages, played, list(load_tariffs().values()), played_as=QUARTER)


def _usage(scenario: Scenario, inspector: Inspector, texts: OldTexts) -> Usage:
    """What an inspector's reports need of the link, and would have needed of SMS."""
    edition = load_tables().editions[load_tables().current]
    bytes_up = bytes_down = reports = report_segments = confirmation_segments = 0
    for report in scenario.reports_of(inspector):
        segments = texts.of_report(report)
        reports += 1
        report_segments += segments.report
        confirmation_segments += segments.confirmation
        bytes_up += _segment_bytes(pack_report(report, edition)) + HEADER_BYTES
        bytes_down += _segment_bytes(Ack(report.sequence))
    return Usage(
        day=QUARTER.first,
        device=inspector.device_id,
        transport="tcp",
        street=None,
        traffic=Traffic(bytes_up=bytes_up, bytes_down=bytes_down),
        sms=OldMessages(
            reports=reports,
            report_segments=report_segments,
            confirmation_segments=confirmation_segments,
        ),
    )


def _segment_bytes(message: Message) -> int:
    return HEADER_BYTES + len(encode_frame(encode(message)))


def table(statement: Statement) -> str:
    """A row for each tariff, and the totals that they are made of."""
    totals = statement.totals
    carried = totals.bytes_up + totals.bytes_down
    sums = (
        f"{totals.reports:,} reports of {totals.devices} handsets:"
        f" {totals.sms_segments_up:,} segments up and {totals.sms_segments_down:,} down.\n"
        f"{carried:,} bytes, of which {totals.idle_bytes:,} are connections and heartbeats:"
        f" {totals.bytes_per_report:,} bytes a report."
    )
    return "\n".join((*_HEAD, *map(_row, statement.lines), "", sums))


def _row(line: Line) -> str:
    mark = " [A]" if line.assumption else ""
    cells = (
        f"`{line.tariff}`{mark}",
        f"{line.cost:,}",
        f"{line.per_report}",
        f"{line.a_year:,}",
        "" if line.is_sms else f"{line.saving_percent} %",
    )
    return f"| {' | '.join(cells)} |"


def blocks() -> dict[str, str]:
    """The generated block of the document."""
    return {"the quarter": table(quarter_bill(longgang_q1(SEED, transport="tcp")))}


def main() -> None:
    """Write the table into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replace_blocks(text, blocks()), encoding="utf-8")


if __name__ == "__main__":
    main()
