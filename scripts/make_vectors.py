"""Write `docs/vectors.json`: frames with their meaning that any client can be tested with.

Run `python -m scripts.make_vectors` after a change of the protocol. The inputs are fixed, so the
same code writes the same file; a test holds the file to it.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.protocol.limits import PROTOCOL_VERSION
from scripts import wire_examples as given
from scripts.vectors_bad import bad_vectors
from scripts.vectors_frames import frame_vectors
from scripts.vectors_tasks import task_frame_vectors
from scripts.vectors_values import ack_vectors, proof_vectors, text_vectors

VECTORS: Final = Path(__file__).resolve().parent.parent / "docs" / "vectors.json"

ABOUT: Final = (
    "Test vectors of the field gateway's protocol; docs/protocol.md explains every name. All bytes"
    " are lower-case hex. `body` is an MQTT payload; `tcp_frame` is the same with its length."
    " `canonical`: our encoder writes exactly these bytes; false: every decoder must read them all"
    " the same. Deflated bytes may differ from those of another deflate and mean the same."
)


def vectors() -> dict[str, Any]:
    """The whole file as a value."""
    edition = given.EDITION
    return {
        "about": ABOUT,
        "protocol_version": PROTOCOL_VERSION,
        "now": given.NOW,
        "edition": {
            "number": edition.number,
            "name": edition.name,
            "district": edition.district,
            "lat0_e5": edition.lat0_e5,
            "lon0_e5": edition.lon0_e5,
            "grid_digits": edition.grid_digits,
            "class_digits": edition.class_digits,
        },
        "frames": [*frame_vectors(), *task_frame_vectors()],
        "texts": list(text_vectors()),
        "proofs": list(proof_vectors()),
        "acks": list(ack_vectors()),
        "bad_frames": list(bad_vectors()),
    }


def render() -> str:
    """The text of the file."""
    plain = msgspec.to_builtins(vectors())
    return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    VECTORS.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
