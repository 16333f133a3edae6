"""Write preset dictionary 1 of the wire's text: its Python constant and its text file.

The order decides what a reference costs: deflate spends fewer bits on what stands nearer the end.
So the rarest stands first: class names and street names, then the vocabulary in its own order.

A dictionary that has been shipped never changes. If its sources change, the test that compares
fails: then make a new dictionary with a new number and keep this one.
"""

import csv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
VOCABULARY: Final = ROOT / "scripts" / "text_dictionary_1_vocabulary.txt"
MODULE: Final = ROOT / "gateway" / "protocol" / "text_dictionary.py"
TEXT_FILE: Final = ROOT / "docs" / "text-dictionary-1.txt"

# Half of ruff's 100 columns, for a Chinese character counts as two, less indent and quotes.
CHARACTERS_PER_LINE: Final = 46

# `text` deflates with a window of 16,384 bytes, which copies faster than deflate's largest; zlib
# gives up the last 262 of them.
MAX_DICTIONARY_BYTES: Final = 16_384 - 262

HEADER: Final = '''\
"""Preset dictionary 1 for deflated text, made by `scripts/make_text_dictionary.py`.

It is used as its GB18030 bytes. `docs/text-dictionary-1.txt` holds the same as UTF-8, without a
final line feed. Part of the wire protocol: once shipped, it never changes.
"""

from typing import Final

DICTIONARY_1: Final = (
'''


def _column(table: str, name: str) -> list[str]:
    path = ROOT / "gateway" / "data" / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def build() -> str:
    """The dictionary: names from the code tables, then the vocabulary, every phrase once."""
    names = _column("components-2007", "minor") + _column("streets", "name")
    names += _column("events-2007", "minor")
    lines = VOCABULARY.read_text(encoding="utf-8").splitlines()
    vocabulary = [line for line in lines if not line.startswith("#")]
    dictionary = "".join(names + vocabulary)
    if len(dictionary.encode("gb18030")) > MAX_DICTIONARY_BYTES:
        raise ValueError(f"the dictionary is over {MAX_DICTIONARY_BYTES} bytes")
    return dictionary


def render_module(dictionary: str) -> str:
    """The source of `gateway/protocol/text_dictionary.py`."""
    pieces = (
        dictionary[start : start + CHARACTERS_PER_LINE]
        for start in range(0, len(dictionary), CHARACTERS_PER_LINE)
    )
    return HEADER + "".join(f'    "{piece}"\n' for piece in pieces) + ")\n"


def main() -> None:
    """Write both files in their places."""
    dictionary = build()
    MODULE.write_text(render_module(dictionary), encoding="utf-8", newline="")
    TEXT_FILE.write_text(dictionary, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
