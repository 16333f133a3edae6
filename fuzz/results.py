"""What runs have given: kept as JSON beside the corpus, told as a table in the documents."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[1]
FILE: Final = Path(__file__).with_name("results.json")
CORPUS: Final = Path(__file__).with_name("corpus")

CRASH: Final = "crash-"
"""Begins the names of inputs in the corpus that once were findings."""

MIB: Final = 2**20


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How far one process is."""

    inputs: int
    seconds: float
    highest_bytes: int
    """Most resident memory, the fuzzer's own included."""
    growth_bytes: int | None
    """Since the warm-up, the fuzzer's corpus not counted; None for a run that is shorter."""
    fault: str = ""
    """Why the memory is not in order."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Of one target: all runs against the same source together."""

    source: str
    """What the parser's files hash to."""
    commit: str
    """Of the last run."""
    runs: int
    inputs: int
    seconds: float
    features: int
    """Branches and comparisons with how often they were taken, as libFuzzer counts: the most."""
    highest_bytes: int
    growth_bytes: int
    """The most of any run; below 0: it shrank."""


def source_of(name: str) -> str:
    """What the files of a target's parser hash to."""
    digest = hashlib.sha256()
    files: set[Path] = set()
    for module in TARGETS[name].instrumented:
        place = ROOT.joinpath(*module.split("."))
        files |= set(place.rglob("*.py")) | {place.with_suffix(".py")}
    for file in sorted(file for file in files if file.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def add(known: Result | None, new: Result) -> Result:
    """Both runs together, or the new one alone where the source has changed since."""
    if known is None or known.source != new.source:
        return new
    return Result(
        source=new.source,
        commit=new.commit,
        runs=known.runs + new.runs,
        inputs=known.inputs + new.inputs,
        seconds=round(known.seconds + new.seconds, 1),
        features=max(known.features, new.features),
        highest_bytes=max(known.highest_bytes, new.highest_bytes),
        growth_bytes=max(known.growth_bytes, new.growth_bytes),
    )


def read_results(file: Path = FILE) -> dict[str, Result]:
    """What was kept; nothing where nothing was."""
    if not file.exists():
        return {}
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Result])


def write_results(results: Mapping[str, Result], file: Path = FILE) -> None:
    """Keep it, in the order of the targets."""
    ordered = {name: results[name] for name in TARGETS if name in results}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def count_mended(name: str, corpus: Path = CORPUS) -> int:
    """Findings of a target that are mended: their inputs are in the corpus, which is replayed."""
    return sum(1 for _ in (corpus / name).glob(f"{CRASH}*"))


def table(results: Mapping[str, Result], mended: Mapping[str, int]) -> str:
    """The table of the document."""
    return "\n".join(_lines(results, mended))


def _lines(results: Mapping[str, Result], mended: Mapping[str, int]) -> Iterable[str]:
    columns = "target", "parses", "inputs", "seconds", "features", "most memory", "grew by"
    yield f"| {' | '.join((*columns, 'mended', 'commit'))} |"
    yield "|---" * (len(columns) + 2) + "|"
    for name, result in results.items():
        yield (
            f"| `{name}` | {TARGETS[name].parses} | {result.inputs:,} | {result.seconds:,.0f}"
            f" | {result.features:,} | {result.highest_bytes / MIB:.0f} MiB"
            f" | {result.growth_bytes / MIB:.1f} MiB | {mended[name]} | `{result.commit}` |"
        )
