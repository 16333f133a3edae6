"""The official parser of AsyncAPI documents, a Node.js package that `npm ci` installs."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).parents[1] / "asyncapi"

REQUIRE_PARSER: Final = "FIELD_GATEWAY_REQUIRE_ASYNCAPI_PARSER"
"""Environment variable: 1 makes a missing parser an error. Set where all tests have to run."""

ERROR: Final = 0
"""The severity of a diagnostic that makes a document invalid; 1 is a warning, 2 and 3 advice."""


def need_parser() -> str:
    """The path of Node.js. Skip the test, saying why, or fail it where the parser is demanded, if
    either is missing.
    """
    node = shutil.which("node")
    if node is not None and (FOLDER / "node_modules" / "@asyncapi" / "parser").is_dir():
        return node
    reason = "needs Node.js 20 and the AsyncAPI parser (cd tests/asyncapi && npm ci)"
    if os.environ.get(REQUIRE_PARSER) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def parse(document: Path) -> dict[str, Any]:
    """What the parser makes of a document: `channels`, their addresses, and `diagnostics`."""
    run = subprocess.run(
        [need_parser(), FOLDER / "parse.mjs", document], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))
