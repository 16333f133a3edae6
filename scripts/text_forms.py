"""A text in each of the forms that the wire allows for it."""

import zlib
from typing import Any

import msgpack

from gateway.protocol.text import GB18030_EXT_TYPE, encode_text
from gateway.protocol.text_dictionary import DICTIONARY_1


def text_forms(text: str) -> dict[str, Any]:
    """The msgpack value of a text by form: only `utf8` where the sender must not use the others."""
    forms: dict[str, Any] = {"utf8": text}
    if text and _may_be_gb18030(text):
        plain = text.encode("gb18030")
        forms["gb18030"] = msgpack.ExtType(GB18030_EXT_TYPE, plain)
        forms["deflate"] = deflated(plain)
    return forms


def deflated(plain: bytes) -> bytes:
    """Raw deflate with the preset dictionary, as `gateway.protocol.text` writes it."""
    compressor = zlib.compressobj(
        level=9, wbits=-14, memLevel=5, zdict=DICTIONARY_1.encode("gb18030")
    )
    return compressor.compress(plain) + compressor.flush()


def _may_be_gb18030(text: str) -> bool:
    """Whether the editions of GB18030 agree on every character: else the code keeps to UTF-8, even
    where it is the longest.
    """
    return encode_text(text * 50) != text * 50
