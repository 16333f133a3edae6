"""`python -m fuzz`: hostile input for everything that parses, guided by coverage."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from fuzz.results import ROOT, add, count_mended, read_results, table, write_results
from fuzz.runner import Run, minimise, replay, run_target
from fuzz.targets import TARGETS
from scripts.marked_blocks import replace_blocks

RUNS: Final = 100_000
"""Inputs of each target by default: some minutes for all of them."""

JOBS: Final = 2
FOLDER: Final = ROOT / "var" / "fuzz"
DOCUMENT: Final = ROOT / "docs" / "reliability.md"
BLOCK: Final = "fuzz"


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)), metavar="[TARGET]...")
@click.option(
    "--runs",
    type=click.IntRange(min=0),
    default=RUNS,
    show_default=True,
    metavar="N",
    help="Inputs of each target; 0 with --write-docs only writes the table anew.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=JOBS,
    show_default=True,
    metavar="N",
    help="Targets at a time.",
)
@click.option(
    "--minimise",
    "to_corpus",
    is_flag=True,
    help="Afterwards add what was found new to the corpus, as little as has it all.",
)
@click.option(
    "--write-docs", is_flag=True,
    help="Add the counts to fuzz/results.json and to the table of docs/reliability.md.",
)  # fmt: skip
def main(
    targets: Sequence[str], runs: int, jobs: int, *, to_corpus: bool, write_docs: bool
) -> None:
    """Fuzz TARGETs, or all. What breaks something stays in var/fuzz/TARGET; exit code 1.

    A finding is mended in the product, and its input goes into fuzz/corpus/TARGET as crash-...,
    where the tests replay it.
    """
    if not runs:
        _write_table()
        return
    if find_spec("atheris") is None:
        raise click.ClickException(
            "atheris is not installed: it has wheels for CPython 3.11 to 3.13 on Linux x86_64 only."
            " The corpus is replayed without it: pytest tests/fuzz"
        )
    names = targets or tuple(TARGETS)
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_target, name, runs, FOLDER) for name in names]
        for future in as_completed(futures):
            run = future.result()
            failed |= not _tell(run, runs)
            if write_docs and run.status.inputs:
                _keep(run)
    if to_corpus and not failed:
        for name in names:
            minimise(name, FOLDER)
    sys.exit(failed)


def _tell(run: Run, runs: int) -> bool:
    """Print what became of a run; whether all is well."""
    status = run.status
    click.echo(
        f"{run.target:10} {status.inputs:>11,} inputs {status.seconds:>8,.0f} s"
        f" {run.features:>6,} features {status.highest_bytes / 2**20:>5,.0f} MiB at most"
        f" {(status.growth_bytes or 0) / 2**20:>6.1f} MiB grown"
    )
    for finding in run.findings:
        traceback = replay(run.target, finding) or "no fault when it is replayed alone"
        click.echo(f"FINDING {_short(finding)}\n{traceback}")
    if status.fault:
        click.echo(f"MEMORY {status.fault}")
    if not run.succeeded and not run.findings:
        click.echo(f"ended early, see {_short(run.log)}")
    return run.succeeded and not run.findings and status.inputs >= runs


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _keep(run: Run) -> None:
    results = read_results()
    results[run.target] = add(results.get(run.target), run.result())
    write_results(results)
    _write_table()


def _write_table() -> None:
    results = read_results()
    mended = {name: count_mended(name) for name in results}
    document = DOCUMENT.read_text(encoding="utf-8")
    block = table(results, mended)
    DOCUMENT.write_text(replace_blocks(document, {BLOCK: block}), encoding="utf-8")


if __name__ == "__main__":
    main()
