"""Frames written by hand: hex digits with a comment per line."""

from pathlib import Path
from typing import Final, NamedTuple

from gateway.protocol.errors import RefusalCode

SAMPLES: Final = Path(__file__).parent / "wire_samples"
_EXPECT: Final = "# expect: "
_WHY: Final = "# why: "


class Sample(NamedTuple):
    """A frame that surprised us once."""

    name: str
    why: str
    body: bytes
    code: RefusalCode | None
    """None when it must decode to a message."""
    first_sequence: int | None
    reports: int


def from_hex(text: str) -> bytes:
    """The bytes of hex digits; from `#` to the end of a line is comment."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def load_samples() -> list[Sample]:
    """All files of `wire_samples`: `# why:`, `# expect: <code> <first number> <count>`, hex."""
    return [_load(path) for path in sorted(SAMPLES.glob("*.txt"))]


def _load(path: Path) -> Sample:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    why = next(line.removeprefix(_WHY) for line in lines if line.startswith(_WHY))
    expect = next(line.removeprefix(_EXPECT) for line in lines if line.startswith(_EXPECT))
    code, first_sequence, reports = expect.split()
    return Sample(
        path.stem,
        why,
        from_hex(text),
        None if code == "message" else RefusalCode[code],
        None if first_sequence == "none" else int(first_sequence),
        int(reports),
    )
