"""Text on the wire: the sender takes the shortest of three forms, the receiver reads any.

| msgpack type | content |
|---|---|
| str | UTF-8 |
| ext, type 2 | GB18030 |
| bin | GB18030, deflated (RFC 1951, no header) with the preset dictionary of `text_dictionary` |

A Chinese character takes 3 bytes in UTF-8 and 2 in GB18030 or in an SMS; the dictionary brings a
usual sentence of the trade to about half of that, and leaves words it does not hold near 2.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Final

import msgpack
import msgspec

from gateway.protocol.text_dictionary import DICTIONARY_1

MAX_DESCRIPTION_CHARACTERS: Final = 500
"""Longest description, in characters (code points): what a handset's form lets an inspector type,
and under a tenth of the largest frame in the dearest form."""

GB18030_EXT_TYPE: Final = 2
"""Type number of the msgpack extension that holds GB18030."""

_EXTENSIONS: Final = (msgspec.msgpack.Ext, msgpack.ExtType)
"""An extension as the decoder gives it, and as `encode_text` does."""

_MAX_GB18030_BYTES_PER_CHARACTER: Final = 4
"""Widest code of GB18030: bounds what a deflated text may expand to."""

_EXPANDER_WINDOW_BITS: Final = -15
"""A window of 32 KiB, deflate's largest: reads what any encoder wrote. Negative means raw deflate,
without header or sum."""

_COMPRESSOR_WINDOW_BITS: Final = -14
"""A window of 16 KiB, which the dictionary still fits: a fifth faster than 32 KiB to copy."""

_MEMORY_LEVEL: Final = 5
"""Small working memory, for the same reason; texts of a few hundred bytes deflate to the same."""

_DICTIONARY: Final = DICTIONARY_1.encode("gb18030")

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode categories Cc and Cs: PostgreSQL refuses NUL, a line feed separates the texts of a
backlog, and a lone surrogate has no UTF-8."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_EDITIONS_DIFFER = re.compile(
    "[\u1e3f\u9fb4-\u9fbb\ue000-\uf8ff\ufe10-\ufe19"
    "\U00020087\U00020089\U000200cc\U000215d7\U0002298f\U000241fe]",
)
"""Characters that the editions of GB18030 (2000, 2005, 2022) place differently: they go as UTF-8,
so that no two libraries can disagree about a text."""


class TextError(ValueError):
    """The text cannot be read: its sender wrote something that is not a text of the protocol."""


def _primed_compressor() -> "zlib._Compress":
    return zlib.compressobj(
        level=zlib.Z_BEST_COMPRESSION,
        wbits=_COMPRESSOR_WINDOW_BITS,
        memLevel=_MEMORY_LEVEL,
        zdict=_DICTIONARY,
    )


_COMPRESSOR: Final = _primed_compressor()
"""Never fed: each text gets a copy, far cheaper than reading the dictionary again."""


def _deflate(plain: bytes) -> bytes:
    compressor = _COMPRESSOR.copy()
    return compressor.compress(plain) + compressor.flush()


def _inflate(deflated: bytes, max_bytes: int) -> bytes:
    expander = zlib.decompressobj(wbits=_EXPANDER_WINDOW_BITS, zdict=_DICTIONARY)
    try:
        # One byte of room above the limit tells a text at the limit from one that goes on.
        plain = expander.decompress(deflated, max_bytes + 1)
    except zlib.error as error:
        raise TextError("bad deflate data") from error
    if len(plain) > max_bytes:
        raise TextError("text expands beyond its limit")
    if not expander.eof:
        raise TextError("truncated deflate data")
    if expander.unused_data:
        raise TextError("bytes after the end of the deflate data")
    return plain


def _from_gb18030(plain: bytes) -> str:
    try:
        return plain.decode("gb18030")
    except UnicodeDecodeError as error:
        raise TextError("bad GB18030") from error


def _str_header_bytes(size: int) -> int:
    return 1 if size < 32 else 2 if size < 256 else 3  # noqa: PLR2004 -- msgpack's own steps


def _bin_header_bytes(size: int) -> int:
    return 2 if size < 256 else 3  # noqa: PLR2004 -- msgpack's own steps


def _ext_header_bytes(size: int) -> int:
    if size in {1, 2, 4, 8, 16}:
        return 2
    return 3 if size < 256 else 4  # noqa: PLR2004 -- msgpack's own steps


def encode_text(text: str) -> str | bytes | msgpack.ExtType:
    """The form of `text` with the fewest bytes, its msgpack header counted.

    Among equals the simplest wins: UTF-8, then GB18030, then deflate. The result is what `msgpack`
    packs. Texts must be shorter than 64 KiB; a frame holds less.

    Raises:
        TextError: if the text holds a lone surrogate, which no form can carry.
    """
    if text.isascii() and len(text) < 4:  # noqa: PLR2004 -- nothing can beat so few bytes
        return text
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise TextError("lone surrogate") from error
    if _EDITIONS_DIFFER.search(text):
        return text
    plain = text.encode("gb18030")
    deflated = _deflate(plain)
    utf8_bytes = size + _str_header_bytes(size)
    gb18030_bytes = len(plain) + _ext_header_bytes(len(plain))
    deflated_bytes = len(deflated) + _bin_header_bytes(len(deflated))
    if utf8_bytes <= gb18030_bytes and utf8_bytes <= deflated_bytes:
        return text
    if gb18030_bytes <= deflated_bytes:
        return msgpack.ExtType(GB18030_EXT_TYPE, plain)
    return deflated


def decode_text(value: object, max_characters: int) -> str:
    """Read a text in any of its forms.

    `value` is whatever stood in the frame: msgspec cannot describe a choice of these types, so the
    type is checked here, with the rest. An `Ext` of the decoder and an `ExtType` as `encode_text`
    returns it are read alike.

    Never expands to more than `max_characters` can take, whatever the sender deflated.

    Raises:
        TextError: if it is in none of the forms, longer than `max_characters`, truncated, followed
            by other bytes, not text in its form, or holds a lone surrogate.
    """
    if isinstance(value, bytes):
        text = _from_gb18030(_inflate(value, max_characters * _MAX_GB18030_BYTES_PER_CHARACTER))
    elif isinstance(value, str):
        text = value
        if not text.isascii() and _SURROGATE.search(text):
            raise TextError("lone surrogate")
    elif not isinstance(value, _EXTENSIONS):
        raise TextError(f"{type(value).__name__} is no form of text")
    elif value.code != GB18030_EXT_TYPE:
        raise TextError(f"unknown extension type {value.code}")
    else:
        plain = bytes(value.data)
        if len(plain) > max_characters * _MAX_GB18030_BYTES_PER_CHARACTER:
            raise TextError("text longer than its limit")
        text = _from_gb18030(plain)
    if len(text) > max_characters:
        raise TextError(f"text of {len(text)} characters, limit {max_characters}")
    return text


def check_description(text: str) -> str | None:
    """Why `text` cannot be a description, or None when it can.

    Limits: `MAX_DESCRIPTION_CHARACTERS`, and no character of the categories Cc and Cs.
    """
    if len(text) > MAX_DESCRIPTION_CHARACTERS:
        return f"description of {len(text)} characters, limit {MAX_DESCRIPTION_CHARACTERS}"
    unfit = unfit_character(text)
    return f"description holds {unfit}" if unfit else None


def unfit_character(text: str) -> str | None:
    """The first character of the categories Cc and Cs and its place, for people; None if there is
    none.
    """
    unfit = _UNFIT.search(text)
    return f"U+{ord(unfit.group()):04X} at {unfit.start()}" if unfit else None


def encode_texts(texts: Sequence[str]) -> str | bytes | msgpack.ExtType:
    """All descriptions of a backlog in one text, joined by line feeds, in the shortest form.

    Together they deflate better than apart: what one says the next need not repeat.

    Raises:
        TextError: if one of them holds a line feed or a lone surrogate.
    """
    joined = "\n".join(texts)
    if joined.count("\n") != max(len(texts) - 1, 0):
        raise TextError("line feed in a description")
    return encode_text(joined)


def decode_texts(value: object, count: int) -> list[str]:
    """Read the `count` descriptions of a backlog.

    The room for all is shared: one of them may be over its limit while the sum is not, and is left
    to `check_description`, so that it costs only itself.

    Raises:
        TextError: as `decode_text`, or if there are not exactly `count`.
    """
    joined = decode_text(value, max(count * (MAX_DESCRIPTION_CHARACTERS + 1) - 1, 0))
    texts = joined.split("\n") if count else []
    if len(texts) != count:
        raise TextError(f"{len(texts)} texts for {count} reports")
    return texts
