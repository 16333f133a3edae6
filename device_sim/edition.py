"""The edition of the code tables that the fleet's handsets have, as far as the wire needs it."""

import csv
from functools import cache
from importlib.resources import files

from gateway.protocol.tables import Edition


@cache
def edition(number: int) -> Edition:
    """District, origins and widths of an edition; its code tables are the scenario's business.

    Raises:
        KeyError: there is no such edition.
    """
    text = (files("gateway") / "data" / "editions.csv").read_text(encoding="utf-8")
    rows = {int(row["number"]): row for row in csv.DictReader(text.splitlines())}
    row = rows[number]
    return Edition(
        number=number,
        name=row["name"],
        district=int(row["district"]),
        lat0_e5=int(row["lat0_e5"]),
        lon0_e5=int(row["lon0_e5"]),
        grid_digits=int(row["grid_digits"]),
        class_digits=int(row["class_digits"]),
        component_classes=frozenset(),
        event_classes=frozenset(),
        streets=frozenset(),
    )
