"""Where the gateway spends its time, with py-spy if it is installed (it is no dependency)."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SAMPLES_PER_SECOND: Final = 400
"""Some thousand samples in the few seconds that a part takes."""


@contextmanager
def profiled(directory: Path | None, name: str, pid: int) -> Iterator[None]:
    """Sample a process while the block runs, into `directory/name.folded`; nothing without one.

    Raises:
        FileNotFoundError: py-spy is not on the path.
    """
    if directory is None:
        yield
        return
    py_spy = shutil.which("py-spy")
    if py_spy is None:
        raise FileNotFoundError("--profile needs py-spy on the path: pip install py-spy")
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / f"{name}.folded"
    command = [py_spy, "record", "--pid", str(pid), "--rate", str(SAMPLES_PER_SECOND)]
    command += ["--format", "raw", "--output", str(output), "--nonblocking"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
