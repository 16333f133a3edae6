"""Write gateway/data/unit-grids.csv: the 2,690 unit grids of Longgang, an assumption in detail.

How many grids there are, and how many of them in the three trial streets, was published; how they
fall on streets and communities was not. See gateway/data/README.md for the rule used here.
"""

import csv
import io
import tomllib
from pathlib import Path
from typing import Final

from device_sim.apportion import apportion

DATA: Final = Path(__file__).resolve().parent.parent / "gateway" / "data"

# 南湾, 坂田 and 布吉: the streets of the first building stage, whose grids were counted together.
TRIAL_STREETS: Final = frozenset({"440307012", "440307013", "440307014"})

# A community of a dozen to two dozen grids; the two digits of the sequence allow 99.
MAX_GRIDS_PER_COMMUNITY: Final = 25


def grids_per_street() -> dict[str, int]:
    """Share the published counts in proportion to the area of the streets; keyed by code."""
    with (DATA / "quarter-2008q1.toml").open("rb") as file:
        counts = tomllib.load(file)["unit_grids"]
    with (DATA / "streets.csv").open(encoding="utf-8", newline="") as text:
        area = {row["code"]: float(row["area_km2"]) for row in csv.DictReader(text)}
    shares: dict[str, int] = {}
    for total, trial in ((counts["trial_streets"], True), (counts["other_streets"], False)):
        codes = [code for code in area if (code in TRIAL_STREETS) is trial]
        shares.update(zip(codes, apportion(total, [area[code] for code in codes]), strict=True))
    return {code: shares[code] for code in sorted(shares)}


def identities(street: str, count: int) -> list[str]:
    """Number `count` grids of one street: street (9 digits), community (3), sequence (2)."""
    communities = -(-count // MAX_GRIDS_PER_COMMUNITY)
    sizes = apportion(count, [1] * communities)
    return [
        f"{street}{community:03d}{sequence:02d}"
        for community, size in enumerate(sizes, start=1)
        for sequence in range(1, size + 1)
    ]


def render() -> str:
    """The whole file as text, lines ended by a line feed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("grid", "street"))
    for street, count in grids_per_street().items():
        writer.writerows((grid, street) for grid in identities(street, count))
    return text.getvalue()


def main() -> None:
    """Write the file in its place."""
    (DATA / "unit-grids.csv").write_text(render(), encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
