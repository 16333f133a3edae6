"""A short fault run, whole: the real thing with a handful of faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.schedule import kinds, make_schedule

SEED = 7
MINUTES = 0.3


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_short_run(tmp_path: Path) -> None:
    """A few things break, and nothing is lost, stored twice or altered."""
    file = tmp_path / "result.json"
    command = [
        *(sys.executable, "-m", "chaos", "--minutes", str(MINUTES), "--seed", str(SEED)),
        *("--json", str(file), "--data", str(tmp_path / "data")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-2_000:]}"
    (result,) = json.loads(file.read_text(encoding="utf-8"))
    planned = kinds(make_schedule(SEED, MINUTES * 60))
    assert len(planned) >= 4
    could = {str(fault): count for fault, count in planned.items()}
    for fault in result["not_injected"]:
        del could[fault]
    assert result["injected"] == could
    assert result["findings"] == []
    assert result["counts"]["stored"] > 100
    assert result["counts"]["events"] >= result["counts"]["stored"]
    assert "seed 7: clean" in done.stdout
