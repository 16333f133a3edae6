"""Reads `deploy/Dockerfile`, and plays the steps of a stage without a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"

STEP_WITHIN_SECONDS: Final = 300.0
"""The longest installs our dependencies from the package index."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: `RUN`, and the text behind it on one line."""

    name: str
    value: str


def instructions() -> list[Instruction]:
    """The file's instructions in order, lines joined, without comments."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text))
    lines = (line.strip() for line in joined.splitlines())
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line]


def stages() -> list[list[Instruction]]:
    """The same, cut at each FROM."""
    found: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def only(name: str, stage: int = -1) -> str:
    """The value of the one instruction of this name in a stage."""
    (found,) = (step.value for step in stages()[stage] if step.name == name)
    return found


def copied_sources() -> set[str]:
    """What COPY takes from the tree, as paths from its root."""
    values = [step.value.split() for step in instructions() if step.name == "COPY"]
    return {source for value in values if "--from=build" not in value for source in value[:-1]}


def health_check() -> list[str]:
    """The command of HEALTHCHECK, with this interpreter as `python`."""
    command = json.loads(only("HEALTHCHECK").partition(" CMD ")[2])
    assert command[0] == "python"
    return [sys.executable, *command[1:]]


class Replay:
    """The first stage's steps, played in a directory in place of the image's root.

    Args:
        place: what the image's `/src` and `/srv` are made under.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._directory = place
        self._environment = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
        # Where packages come from, and through what, is the machine's affair.
        for name, value in os.environ.items():
            if name.startswith("PIP_") or name.lower().endswith("_proxy") or name == "HOME":
                self._environment[name] = value

    def play(self) -> None:
        """All steps of the first stage; raises with the output of the one that fails."""
        for step in stages()[0]:
            match step.name:
                case "WORKDIR":
                    self._directory = self._place / step.value.lstrip("/")
                    self._directory.mkdir(parents=True)
                case "ENV":
                    self._environment |= dict(_pairs(step.value))
                case "COPY":
                    self._copy(*step.value.split())
                case "RUN":
                    self._run(step.value)
                case _:
                    assert step.name == "FROM", step

    def _copy(self, *paths: str) -> None:
        *sources, target = paths
        for source in sources:
            found = ROOT / source
            into = self._directory / target
            if found.is_dir():
                shutil.copytree(found, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("/srv/", f"{self._place}/srv/")],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=STEP_WITHIN_SECONDS,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    for pair in value.split():
        name, _, content = pair.partition("=")
        yield name, content
