"""Starts a process for each target, waits for it, and says what came of it."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from fuzz.results import CORPUS, ROOT, Result, Status, source_of
from fuzz.targets import TARGETS

ITSELF: Final = "FUZZ_ITSELF"
"""Names a program that starts the worker with the same target: to merge, libFuzzer starts one."""

INPUT_SECONDS: Final = 25
"""An input that takes longer is a finding; a usual one takes under a millisecond, and a busy
machine may stop the process for a while."""

MEMORY_LIMIT_MB: Final = 1_024
"""Where libFuzzer gives up whatever the reason; `memory` finds growth long before."""

_DONE: Final = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_PROGRESS: Final = re.compile(r"\bft: (\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process has done."""

    target: str
    source: str
    """What its parser's files hash to."""
    commit: str
    """That the sources were at."""
    status: Status
    features: int
    findings: tuple[Path, ...]
    """Inputs that broke something."""
    log: Path
    succeeded: bool

    def result(self) -> Result:
        """As it is kept."""
        return Result(
            source=self.source,
            commit=self.commit,
            runs=1,
            inputs=self.status.inputs,
            seconds=self.status.seconds,
            features=self.features,
            highest_bytes=self.status.highest_bytes,
            growth_bytes=self.status.growth_bytes or 0,
        )


def run_target(name: str, runs: int, folder: Path) -> Run:
    """Fuzz one target with so many inputs, from the corpus. What is new goes into the folder."""
    units, status, log = folder / name / "new", folder / name / "status.json", folder / name / "log"
    units.mkdir(parents=True, exist_ok=True)
    status.unlink(missing_ok=True)
    known = set(_findings(folder / name))
    source, at_commit = source_of(name), commit()
    command = [
        *(sys.executable, "-m", "fuzz.worker", name, str(status), str(units)),
        *(str(units), str(CORPUS / name), f"-runs={runs}"),
        f"-max_len={TARGETS[name].max_bytes}",
        *(f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_LIMIT_MB}"),
        # Parsers that print would fill the log; the traceback of a finding comes from its replay.
        *("-close_fd_mask=2", f"-artifact_prefix={folder / name}{os.sep}"),
    ]
    with log.open("wb") as output:
        ended = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False)
    return Run(
        name,
        source,
        at_commit,
        _read_status(status, log),
        _last_features(log),
        tuple(sorted(set(_findings(folder / name)) - known)),
        log,
        succeeded=ended.returncode == 0,
    )


def minimise(name: str, folder: Path) -> None:
    """Add to the corpus what the runs in the folder have found new, as little as has it all.

    Raises:
        subprocess.CalledProcessError: libFuzzer could not.
    """
    place = folder / name
    units, itself, log = place / "new", place / "itself", place / "merge.log"
    if not units.is_dir():
        return
    command = [sys.executable, "-m", "fuzz.worker", name, str(place / "merge.json"), str(units)]
    itself.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    itself.chmod(0o700)
    options = (
        "-merge=1",
        f"-max_len={TARGETS[name].max_bytes}",
        f"-artifact_prefix={place}{os.sep}",
    )
    with log.open("wb") as output:
        subprocess.run(
            [*command, str(CORPUS / name), str(units), *options, "-close_fd_mask=2"],
            cwd=ROOT,
            env={**os.environ, ITSELF: str(itself)},
            stdout=output,
            stderr=output,
            check=True,
        )


def replay(name: str, finding: Path) -> str:
    """What an input breaks, as a traceback, in a process of its own; empty: nothing any more."""
    code = "import sys; from pathlib import Path; from fuzz.targets import load_check;"
    code += " load_check(sys.argv[1])(Path(sys.argv[2]).read_bytes())"
    command = [sys.executable, "-c", code, name, str(finding)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return ended.stderr.decode(errors="replace") if ended.returncode else ""


def commit() -> str:
    """Short name of the commit that the sources are at; `+` behind it: they are changed."""
    changes = ("diff", "--quiet", "HEAD", "--", "gateway", "device_sim")
    changed = subprocess.run(("git", *changes), cwd=ROOT, check=False).returncode  # noqa: S607 - whichever git made the tree
    name = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"),  # noqa: S607 - the same
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return name.stdout.strip() + ("+" if changed else "")


def _findings(folder: Path) -> list[Path]:
    kinds = ("crash", "leak", "oom", "timeout")
    return [file for kind in kinds for file in folder.glob(f"{kind}-*")]


def _read_status(file: Path, log: Path) -> Status:
    """The last status, with the whole count where libFuzzer ended by itself."""
    status = Status(inputs=0, seconds=0.0, highest_bytes=0, growth_bytes=None)
    if file.exists():
        status = msgspec.json.decode(file.read_bytes(), type=Status)
    done = _DONE.search(log.read_text(encoding="utf-8", errors="replace"))
    if not done:
        return status
    return msgspec.structs.replace(status, inputs=int(done[1]), seconds=float(done[2]))


def _last_features(log: Path) -> int:
    found = _PROGRESS.findall(log.read_text(encoding="utf-8", errors="replace"))
    return int(found[-1]) if found else 0
