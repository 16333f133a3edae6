"""Reports, tracks and frames out of chance: good ones at every limit, and bad ones of every kind.
Pure: the same chance and time give the same.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgpack
import msgspec

from chaos.crew_claims import STORED, Claim, Frame, Kind, content_of
from gateway.protocol import limits
from gateway.protocol.errors import RefusalCode
from gateway.protocol.messages import WireReport, encode
from gateway.protocol.report import Kind as ReportKind
from gateway.protocol.report import Patrol, Report, Track, TrackPoint
from gateway.protocol.tables import Edition
from gateway.protocol.text import GB18030_EXT_TYPE, encode_text
from gateway.protocol.wire_report import pack_backlog, pack_report, pack_track

HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400
YEAR_SECONDS: Final = 365 * DAY_SECONDS

GRIDS: Final = (44_030_700_300_101, 44_030_700_600_101, 44_030_700_300_999)
"""Unit grids in two streets of edition 1; the last one is not in its list and need not be."""

_WORDS: Final = (
    "新木路", "门前有暴露垃圾", "井盖松动", "影响市容", "已现场处理", "路灯不亮", "，", "。",
    "12号", "A", "ﬁ", "𠀋", "🚧", "龴", "€", " ",
)  # fmt: skip
"""Of one to four bytes in either coding; one that the editions of GB18030 disagree on."""

_LONGEST: Final = "口" * limits.MAX_TASK_CHARACTERS
_UNKNOWN: Final = 99_998
_MANY_POINTS: Final = 40


class Author:
    """Writes for one handset at one moment."""

    def __init__(self, random: Random, edition: Edition, now: int) -> None:
        self.random = random
        self.edition = edition
        self.now = now

    def report(self, sequence: int) -> Report:
        """A report that every gateway accepts, whatever the fault run does to its clock."""
        random, edition = self.random, self.edition
        kind = random.choice(list(ReportKind))
        is_event = kind is ReportKind.EVENT
        classes = sorted(edition.event_classes if is_event else edition.component_classes)
        class_code = random.choice(classes)
        number = random.choice((1, 417, limits.MAX_COMPONENT_SEQUENCE))
        component = edition.component_base(class_code) + number
        return Report(
            sequence=sequence,
            edition=edition.number,
            observed_at=self._time(),
            kind=kind,
            class_code=class_code,
            urgency=random.choice((0, 0, 0, 1, 2)),
            simple=random.random() < 0.3,  # noqa: PLR2004 -- some of them
            patrol=random.choice(list(Patrol)),
            grid=random.choice(GRIDS),
            lat_e5=random.choice((2_265_600, 9_000_000, -9_000_000, 0, edition.lat0_e5)),
            lon_e5=random.choice((11_415_100, 18_000_000, -18_000_000, 0, edition.lon0_e5)),
            accuracy_m=random.choice((0, 8, limits.MAX_ACCURACY_M)),
            description=self._text(),
            pictures=random.randint(0, limits.MAX_PICTURES),
            component=component if random.random() < 0.3 else None,  # noqa: PLR2004 -- some of them
        )

    def track(self, sequence: int) -> Track:
        """A track of one point or of many."""
        random = self.random
        begin = self._time()
        points = tuple(
            TrackPoint(
                max(begin - 60 * place, limits.MIN_OBSERVED_AT),
                2_265_600 + 40 * place,
                11_415_100 - 7 * place,
                random.choice((3, limits.MAX_ACCURACY_M)),
            )
            for place in range(random.choice((1, 3, _MANY_POINTS, limits.MAX_TRACK_POINTS)))
        )
        return Track(sequence, self.edition.number, points)

    # Frames.

    def plain(self, report: Report) -> Frame:
        """A report alone, in the usual form."""
        return Frame(encode(pack_report(report, self.edition)), (self._good(report),))

    def single(self, report: Report) -> Frame:
        """A report alone, its text in any of the three forms."""
        wire = pack_report(report, self.edition)
        forms: list[object] = [report.description, encode_text(report.description)]
        plain = report.description.encode("gb18030")
        if report.description and "龴" not in report.description:
            forms.append(msgpack.ExtType(GB18030_EXT_TYPE, plain))
        body = encode(msgspec.structs.replace(wire, text=self.random.choice(forms)))
        return Frame(body, (self._good(report),))

    def backlog(self, reports: Sequence[Report]) -> Frame:
        """Reports with consecutive numbers."""
        body = encode(pack_backlog(reports, self.edition))
        return Frame(body, tuple(map(self._good, reports)))

    def track_frame(self, track: Track) -> Frame:
        """A track."""
        body = encode(pack_track(track, self.edition))
        return Frame(body, (Claim(track.sequence, Kind.TRACK, STORED, content_of(track), body),))

    def bad(self, sequence: int) -> Frame:
        """A report that must be refused, for one of ten reasons."""
        change, code = self.random.choice(_FAULTS)
        body = encode(change(self, pack_report(self.report(sequence), self.edition)))
        return Frame(body, (Claim(sequence, Kind.REPORT, code, body, body),))

    def mixed(self, numbers: Sequence[int]) -> Frame:
        """A backlog in which every other report must be refused."""
        good = [self.report(number) for number in numbers]
        reports, claims = [], []
        for place, report in enumerate(good):
            if place % 2:
                bad = msgspec.structs.replace(report, class_code=_UNKNOWN)
                body = encode(pack_report(bad, self.edition))
                code = RefusalCode.UNKNOWN_CLASS
                claims.append(Claim(bad.sequence, Kind.REPORT, code, body, body))
                reports.append(bad)
            else:
                claims.append(self._good(report))
                reports.append(report)
        return Frame(encode(pack_backlog(reports, self.edition)), tuple(claims))

    def wrong_time(self, sequence: int) -> Frame:
        """A report of a handset whose clock is years or weeks off: behind is believed."""
        random = self.random
        report = self.report(sequence)
        if random.random() < 0.5:  # noqa: PLR2004 -- a coin
            behind = random.choice((HOUR_SECONDS, DAY_SECONDS, 40 * DAY_SECONDS, 7 * YEAR_SECONDS))
            oldest = limits.MIN_OBSERVED_AT
            at = random.choice((self.now - behind, oldest, self.now + HOUR_SECONDS))
            return self.single(msgspec.structs.replace(report, observed_at=at))
        ahead = self.now + random.choice((20 * DAY_SECONDS, YEAR_SECONDS, 9 * YEAR_SECONDS))
        at = random.choice((ahead, 0, limits.MIN_OBSERVED_AT - 1, limits.MAX_TIME))
        wire = msgspec.structs.replace(pack_report(report, self.edition), observed_at=at)
        body = encode(wire)
        return Frame(body, (Claim(sequence, Kind.REPORT, RefusalCode.BAD_TIME, body, body),))

    def _good(self, report: Report) -> Claim:
        body = encode(pack_report(report, self.edition))
        return Claim(report.sequence, Kind.REPORT, STORED, content_of(report), body)

    def _time(self) -> int:
        return self.now - self.random.randint(0, 30 * DAY_SECONDS)

    def _text(self) -> str:
        random = self.random
        if random.random() < 0.02:  # noqa: PLR2004 -- seldom: it is long
            return _LONGEST
        return "".join(random.choices(_WORDS, k=random.randint(0, 12)))


def _changed(**changes: object) -> Callable[[Author, WireReport], WireReport]:
    return lambda _author, wire: msgspec.structs.replace(wire, **changes)


def _traits(bits: int) -> Callable[[Author, WireReport], WireReport]:
    """Bits that mean nothing, beside its own: its kind decides which classes there are."""
    return lambda _author, wire: msgspec.structs.replace(wire, traits=wire.traits | bits)


def _control_character(author: Author, wire: WireReport) -> WireReport:
    sign = author.random.choice(("\0", "\n", "\x7f", "\x85"))
    return msgspec.structs.replace(wire, text=f"a{sign}b")


_NORTH_OF_THE_POLE: Final = 9_000_001
_FAULTS: Final[tuple[tuple[Callable[[Author, WireReport], WireReport], RefusalCode], ...]] = (
    (_changed(edition=limits.MAX_EDITION), RefusalCode.UNKNOWN_EDITION),
    (_changed(class_code=_UNKNOWN), RefusalCode.UNKNOWN_CLASS),
    (_changed(grid=limits.MAX_GRID_IN_DISTRICT), RefusalCode.UNKNOWN_GRID),
    (_changed(grid=0), RefusalCode.UNKNOWN_GRID),
    (_changed(lat=_NORTH_OF_THE_POLE), RefusalCode.BAD_POSITION),
    (_changed(lon=-(2**31)), RefusalCode.BAD_POSITION),
    (_changed(text="口" * (limits.MAX_TASK_CHARACTERS + 1)), RefusalCode.BAD_TEXT),
    (_changed(text=b"\xff no deflate"), RefusalCode.BAD_TEXT),
    (_changed(text=msgpack.ExtType(3, b"x")), RefusalCode.BAD_TEXT),
    (_control_character, RefusalCode.BAD_TEXT),
    (_changed(component=limits.MAX_COMPONENT), RefusalCode.BAD_COMPONENT),
    (_traits(0b000110), RefusalCode.BAD_TRAITS),
    (_traits(0b110000), RefusalCode.BAD_TRAITS),
)
"""What makes a report bad, and the code that it must get."""
