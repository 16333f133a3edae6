"""A clock that may be wrong."""

import subprocess
import sys
from pathlib import Path

from chaos.clocked_gateway import set_offset, wrong_clock


def test_it_jumps_at_once_both_ways(tmp_path: Path) -> None:
    """A clock that was made before the file changed is wrong from then on."""
    file = tmp_path / "clock"
    set_offset(file, 0)
    clock = wrong_clock(file, lambda: 1_000.0)
    assert clock() == 1_000
    set_offset(file, 3_600.5)
    assert clock() == 4_600.5
    set_offset(file, -90)
    assert clock() == 910


def test_it_is_the_gateway(tmp_path: Path) -> None:
    """Under the wrong clock runs the real command line."""
    file = tmp_path / "clock"
    set_offset(file, 0)
    command = [sys.executable, "-m", "chaos.clocked_gateway", str(file), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Field gateway" in done.stdout


def test_the_gateway_sees_it(tmp_path: Path) -> None:
    """The function that its modules take for their clock is the wrong one."""
    file = tmp_path / "clock"
    set_offset(file, -1e9)
    code = (
        "import sys, time; from chaos import clocked_gateway as c; from pathlib import Path;"
        f"time.time = c.wrong_clock(Path({str(file)!r}), time.time);"
        "from gateway.budgets import time as t; print(t.time())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 1e9
