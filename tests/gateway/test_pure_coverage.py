"""The pure code is covered whole by its own tests: there is no excuse for a branch left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ["gateway/protocol", "gateway/handlers", "gateway/cost"]


@pytest.mark.slow
@pytest.mark.timeout(400)  # a second run of some 900 tests, traced
def test_every_branch_of_the_pure_code_is_tested(tmp_path: Path) -> None:
    """The tests of protocol, handlers and cost alone reach each line and branch of them."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *(f"tests/{folder}" for folder in PURE),
        *(f"--cov={folder}" for folder in PURE),
        *("--cov-branch", "--cov-fail-under=100", "--cov-report=term-missing"),
    ]
    # An outer run's coverage must neither count these tests nor be overwritten by them.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE_"))}
    environment = {**inherited, "COVERAGE_FILE": str(tmp_path / "coverage")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
