"""Write `deploy/grafana/dashboards/*.json` from the definitions in `scripts/dashboards/`.

Run `python -m scripts.make_dashboards` after a change of them; a test holds the files to them.
"""

import json
from pathlib import Path
from typing import Final

from scripts.dashboards.cost import COST
from scripts.dashboards.field_work import FIELD_WORK
from scripts.dashboards.operations import OPERATIONS

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"

BOARDS: Final = (OPERATIONS, COST, FIELD_WORK)


def render() -> dict[str, str]:
    """The text of each file by its name."""
    return {
        f"{board.uid.removeprefix('field-gateway-')}.json": json.dumps(
            board.json(), ensure_ascii=False, indent=2
        )
        + "\n"
        for board in BOARDS
    }


def main() -> None:
    """Write them all."""
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
