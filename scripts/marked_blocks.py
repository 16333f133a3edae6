"""Blocks of a document that a script writes, between two comments that name them.

<!-- begin generated: name -->
...
<!-- end generated: name -->
"""

import re
from collections.abc import Mapping


class UnknownBlockError(Exception):
    """A block that the document does not have, or has twice."""


def replace_blocks(document: str, blocks: Mapping[str, str]) -> str:
    """The document with the content of each named block replaced.

    Raises:
        UnknownBlockError: The document has no such block, or more than one.
    """
    for name, content in blocks.items():
        begin, end = f"<!-- begin generated: {name} -->", f"<!-- end generated: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        new = f"{begin}\n{content.strip()}\n{end}"
        document, found = pattern.subn(lambda _match, new=new: new, document)  # type: ignore[misc]
        if found != 1:
            raise UnknownBlockError(f"{found} blocks named {name}")
    return document
