"""Texts: three forms, one of which expands."""

import zlib
from typing import Final

import msgspec

from gateway.protocol.limits import MAX_BACKLOG_REPORTS
from gateway.protocol.text import (
    MAX_DESCRIPTION_CHARACTERS,
    TextError,
    decode_text,
    decode_texts,
    encode_text,
    encode_texts,
)
from gateway.protocol.text_dictionary import DICTIONARY_1

_DICTIONARY: Final = DICTIONARY_1.encode("gb18030")
_COMPRESSOR: Final = zlib.compressobj(level=6, wbits=-15, zdict=_DICTIONARY)
_FORMS: Final = 6
_ONE_CHARACTER_MORE: Final = 1


def check(data: bytes) -> None:
    """A text is in its limits and means the same in the form that we would have chosen."""
    if len(data) < 3:  # noqa: PLR2004 - the form, a number and something to read
        return
    form, number, rest = data[0] % _FORMS, data[1], data[2:]
    value = _value(form, number, rest)
    _check_one(value, MAX_DESCRIPTION_CHARACTERS)
    _check_one(value, number)
    _check_many(value, number % (MAX_BACKLOG_REPORTS + 1))


def _value(form: int, number: int, rest: bytes) -> object:
    """UTF-8 as msgspec would give it; an extension; deflated bytes as they come; deflated by us,
    short and long; something that is no text.
    """
    if form == 0:
        return (
            rest.decode("utf-8", "surrogatepass" if number & 1 else "replace")
            if _is_utf_8(rest, strict=not number & 1)
            else rest.decode("latin-1")
        )
    if form == 1:
        return msgspec.msgpack.Ext(2 if number & 3 else number - 128, rest)
    if form == 2:  # noqa: PLR2004 - as listed above
        return rest
    if form == 3:  # noqa: PLR2004 - as listed above
        return _deflated(rest)
    if form == 4:  # noqa: PLR2004 - as listed above
        return _deflated(rest * (1 + number))
    return None if number & 1 else number


def _is_utf_8(rest: bytes, *, strict: bool) -> bool:
    try:
        rest.decode("utf-8", "strict" if strict else "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _deflated(plain: bytes) -> bytes:
    compressor = _COMPRESSOR.copy()
    return compressor.compress(plain) + compressor.flush()


def _check_one(value: object, most: int) -> None:
    try:
        text = decode_text(value, most)
    except TextError:
        return
    assert len(text) <= most
    assert decode_text(encode_text(text), most) == text


def _check_many(value: object, count: int) -> None:
    try:
        texts = decode_texts(value, count)
    except TextError:
        return
    assert len(texts) == count
    assert sum(map(len, texts)) <= count * (MAX_DESCRIPTION_CHARACTERS + _ONE_CHARACTER_MORE)
    assert decode_texts(encode_texts(texts), count) == texts
