"""Take each defence of `docs/security.md` out of the code, one at a time, and see its test fail.

A test of a defence that passes without it proves nothing. `make defences` copies the tree, first
runs all those tests as they are, then each once more with its defence removed. The list is
`tests/defences.toml`; `--write-docs` puts it into the document as a table.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from scripts.marked_blocks import replace_blocks

ROOT: Final = Path(__file__).resolve().parent.parent
LIST: Final = ROOT / "tests" / "defences.toml"
DOCUMENT: Final = ROOT / "docs" / "security.md"
BLOCK: Final = "attacks"

NOT_COPIED: Final = (".git", ".venv", "var", "node_modules", ".*_cache", "__pycache__", "dist")

PASSED: Final = 0
FAILED: Final = 1
"""Exit codes of pytest. Any other is no verdict: a test that is not there, an import that fails."""

TEST_TIMEOUT_SECONDS: Final = 300
"""A test that waits for what its defence would have done may hang without it: that is no pass."""


class Defence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attack and what stops it."""

    attack: str
    stopped_by: str
    file: str
    """Where the defence stands, from the root of the tree."""
    old: str
    """The defence; it stands there once."""
    new: str
    """What the code is without it."""
    test: str
    """The test that fails then, as pytest names it."""

    def remove_from(self, tree: Path) -> str:
        """Write the file without the defence; returns what it was.

        Raises `ValueError` when the list is out of date.
        """
        file = tree / self.file
        text = file.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: found {text.count(self.old)} times: {self.old!r}")
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return text


class NoVerdictError(Exception):
    """The tests neither passed nor failed; the text is the end of what pytest said."""


def load_defences(path: Path = LIST) -> Sequence[Defence]:
    """The list, in the document's order."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return msgspec.convert(content["defence"], list[Defence])


def copy_tree(to: Path) -> Path:
    """The working tree without what is not part of it."""
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return to


def passes(tests: Sequence[str], tree: Path) -> bool:
    """Whether these tests pass in a tree.

    Raises:
        NoVerdictError: They could not be run.
    """
    # `-m` puts the working directory first: the copy is imported, not what is installed.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(  # noqa: S603 - pytest, with tests that our own list names
            command,
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            timeout=TEST_TIMEOUT_SECONDS * len(tests),
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (PASSED, FAILED):
        raise NoVerdictError(done.stdout[-2_000:] + done.stderr[-2_000:])
    return done.returncode == PASSED


def is_noticed(defence: Defence, tree: Path) -> bool:
    """Whether the test fails without the defence. The tree is as before afterwards.

    Raises:
        NoVerdictError: The test could not be run.
        ValueError: The list is out of date.
    """
    before = defence.remove_from(tree)
    try:
        return not passes([defence.test], tree)
    finally:
        (tree / defence.file).write_text(before, encoding="utf-8")


def table(defences: Sequence[Defence]) -> str:
    """The list as it stands in the document."""
    lines = ["| attack | what stops it | where | test |", "|---|---|---|---|"]
    for one in defences:
        path, _, name = one.test.partition("::")
        lines.append(
            f"| {one.attack} | {one.stopped_by} | `{one.file}` | `{name}` in [{path}](../{path}) |"
        )
    return "\n".join(lines)


@click.command()
@click.option("--only", default="", help="Only attacks whose words contain this.")
@click.option("--write-docs", is_flag=True, help="Write the table into docs/security.md and end.")
def main(only: str, *, write_docs: bool) -> None:
    """Remove each defence in a copy of the tree and see that its test fails.

    Exit code 1 if a test passes without its defence, or fails with it.
    """
    defences = [one for one in load_defences() if only in one.attack]
    if write_docs:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(replace_blocks(text, {BLOCK: table(defences)}), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory(prefix="defences-") as directory:
        tree = copy_tree(Path(directory) / "tree")
        if not passes(sorted({one.test for one in defences}), tree):
            sys.exit("a test fails with its defence in place: mend that first")
        unnoticed = 0
        for one in defences:
            noticed = is_noticed(one, tree)
            unnoticed += not noticed
            click.echo(f"{'noticed  ' if noticed else 'UNNOTICED'} {one.attack}  ({one.test})")
    click.echo(f"{len(defences) - unnoticed} of {len(defences)} removed defences were noticed")
    sys.exit(bool(unnoticed))


if __name__ == "__main__":
    main()
