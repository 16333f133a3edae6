"""Tests of text on the wire: three forms, any of them read, nothing read that is not text."""

import random
import tracemalloc
import zlib
from pathlib import Path

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.limits import MAX_FRAME_BYTES
from gateway.protocol.text import (
    GB18030_EXT_TYPE,
    MAX_DESCRIPTION_CHARACTERS,
    TextError,
    check_description,
    decode_text,
    decode_texts,
    encode_text,
    encode_texts,
    unfit_character,
)
from gateway.protocol.text_dictionary import DICTIONARY_1

FREE_TEXTS = Path(__file__).resolve().parents[2] / "data" / "free-texts.txt"
USUAL = "平湖大街人行道乱张贴小广告，已现场清理。"
UNUSUAL = "麒麟踩踏蝴蝶"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
descriptions = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80)


def _deflate(plain: bytes) -> bytes:
    """Raw deflate with dictionary 1, by another way than the code under test."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=DICTIONARY_1.encode("gb18030"))
    return compressor.compress(plain) + compressor.flush()


def _received(value: str | bytes | msgpack.ExtType) -> object:
    """What the receiver's decoder makes of what the sender's encoder packs."""
    decoded: object = msgspec.msgpack.decode(msgpack.packb(value))
    return decoded


def _ext(plain: bytes, code: int = GB18030_EXT_TYPE) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, plain)


@given(texts)
@example("")
@example("\x00")
@example("\ue5e5\u1e3f\ufe10\u9fb4\U000241fe")
@example("𠮷野家😷⚠️")
def test_any_text_survives_the_wire(text: str) -> None:
    """Encoded, packed, unpacked by the other library and decoded, it is the same."""
    assert decode_text(_received(encode_text(text)), len(text)) == text


@given(texts)
@example("a" * 40)
@example(USUAL * 20)
@example(USUAL)
@example(UNUSUAL)
def test_no_form_would_be_shorter(text: str) -> None:
    """Counted with the header that msgpack writes."""
    size = len(msgpack.packb(encode_text(text)))
    assert size <= len(msgpack.packb(text))


@pytest.mark.parametrize(
    "text, form",
    [
        ("", str),
        ("abc", str),
        ("P12", str),
        ("é", str),
        (USUAL, bytes),
        (UNUSUAL, msgpack.ExtType),
        ("\ue5e5" * 100, str),
    ],
)
def test_each_form_is_taken_where_it_is_shortest(text: str, form: type) -> None:
    """Short ASCII as it is, usual sentences deflated, unusual words as GB18030."""
    assert isinstance(encode_text(text), form)


@given(st.lists(st.sampled_from(UNUSUAL + USUAL + "0aé😷"), max_size=300).map("".join))
def test_the_form_taken_is_the_shortest_of_all_three(text: str) -> None:
    """Headers included; among equals the simplest."""
    plain = text.encode("gb18030")
    forms = [text, msgpack.ExtType(GB18030_EXT_TYPE, plain)]
    taken = encode_text(text)
    sizes = [len(msgpack.packb(form)) for form in forms]
    assert len(msgpack.packb(taken)) <= min(sizes)
    if not isinstance(taken, bytes):
        assert taken == forms[sizes.index(min(sizes))]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 8, 15, 16, 17, 31, 32, 127, 128, 255, 256, 300])
def test_headers_are_counted_as_msgpack_writes_them(size: int) -> None:
    """Around every size at which a header grows, the choice is still the shortest."""
    generator = random.Random(size)
    text = "".join(chr(generator.randrange(0x4E00, 0x9F00)) for _ in range(size))
    forms = (text, msgpack.ExtType(GB18030_EXT_TYPE, text.encode("gb18030")))
    best = min(len(msgpack.packb(form)) for form in forms)
    assert len(msgpack.packb(encode_text(text))) <= best


def test_a_usual_sentence_is_smaller_than_in_an_sms() -> None:
    """Under half of UCS-2's two bytes a character."""
    assert len(msgpack.packb(encode_text(USUAL))) < len(USUAL)


def test_free_texts_are_smaller_than_in_an_sms() -> None:
    """Sentences that had no part in making the dictionary are, on average, below UCS-2."""
    lines = FREE_TEXTS.read_text(encoding="utf-8").splitlines()
    wire = sum(len(msgpack.packb(encode_text(line))) for line in lines)
    assert len(lines) > 50
    assert wire < sum(len(line.encode("utf-16-be")) for line in lines)


def test_a_form_that_another_encoder_chose_is_read() -> None:
    """A sender may take any form, with any deflate encoder, and a window of 32 KiB."""
    for value in (USUAL, _ext(USUAL.encode("gb18030")), _deflate(USUAL.encode("gb18030"))):
        assert decode_text(value, MAX_DESCRIPTION_CHARACTERS) == USUAL


@pytest.mark.parametrize("text", ["", "P12", USUAL, UNUSUAL])
def test_what_was_encoded_is_read_without_the_wire(text: str) -> None:
    """As `encode_text` returned it, for tests and worked examples."""
    assert decode_text(encode_text(text), MAX_DESCRIPTION_CHARACTERS) == text


@pytest.mark.parametrize("text", ["a" * 10, "网" * 10, "😷" * 10])
def test_the_limit_counts_characters_in_every_form(text: str) -> None:
    """At the limit it is read; one past it, it is refused."""
    plain = text.encode("gb18030")
    for value in (text, _ext(plain), _deflate(plain)):
        assert decode_text(value, 10) == text
        with pytest.raises(TextError):
            decode_text(value, 9)


def test_a_deflate_bomb_is_not_expanded() -> None:
    """A kilobyte that would become a megabyte is refused at the bound."""
    bomb = _deflate(bytes(1_000_000))
    assert len(bomb) < 2_000
    with pytest.raises(TextError, match="expands beyond"):
        decode_text(bomb, MAX_DESCRIPTION_CHARACTERS)


def test_a_deflate_bomb_takes_no_memory() -> None:
    """A frame holds one that would fill the memory: no more is expanded than a text may have."""
    bomb = _deflate(bytes(10_000_000))
    assert len(bomb) < MAX_FRAME_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(TextError, match="expands beyond"):
            decode_text(bomb, MAX_DESCRIPTION_CHARACTERS)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 200_000


@pytest.mark.parametrize(
    "value, reason",
    [
        (b"", "truncated"),
        (_deflate(USUAL.encode("gb18030"))[:-1], "truncated"),
        (_deflate(USUAL.encode("gb18030")) + b"\x00", "after the end"),
        (b"\xff\xff\xff", "bad deflate"),
        (_deflate(b"\x81"), "bad GB18030"),
        (_ext(b"\xff"), "bad GB18030"),
        (_ext(b"\x81\x30\x81"), "bad GB18030"),
        (_ext(bytes(2001)), "longer than its limit"),
        (_ext(b"a" * 501), "501 characters, limit 500"),
        (_ext(b"a", code=1), "unknown extension type 1"),
        (_ext(b"a", code=-1), "unknown extension type -1"),
        (None, "NoneType is no form of text"),
        (7, "int is no form of text"),
        (["a"], "list is no form of text"),
        ("a\ud800", "lone surrogate"),
        ("网" * 501, "501 characters, limit 500"),
    ],
)
def test_what_is_not_a_text_is_refused(value: object, reason: str) -> None:
    """With a reason, as one kind of error."""
    with pytest.raises(TextError, match=reason):
        decode_text(value, MAX_DESCRIPTION_CHARACTERS)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(_deflate)), st.integers(0, 9))
def test_any_bytes_end_in_a_text_or_in_a_text_error(data: bytes, limit: int) -> None:
    """Never in another exception, never in more characters than allowed."""
    for value in (data, _ext(data)):
        try:
            text = decode_text(value, limit)
        except TextError:
            continue
        assert len(text) <= limit
        text.encode()


def test_a_lone_surrogate_cannot_be_sent() -> None:
    """No form could carry it."""
    with pytest.raises(TextError, match="lone surrogate"):
        encode_text("网\udc00格")


@pytest.mark.parametrize("text", ["", "a", USUAL, "𠮷😷", "网" * MAX_DESCRIPTION_CHARACTERS])
def test_a_good_description_has_no_reason_against_it(text: str) -> None:
    """Up to the limit, in any plane."""
    assert check_description(text) is None


@pytest.mark.parametrize(
    "text, reason",
    [
        ("网" * (MAX_DESCRIPTION_CHARACTERS + 1), "description of 501 characters, limit 500"),
        ("井盖\x00破损", "description holds U+0000 at 2"),
        ("a\nb", "description holds U+000A at 1"),
        ("\t", "description holds U+0009 at 0"),
        ("\x7f", "description holds U+007F at 0"),
        ("\x85", "description holds U+0085 at 0"),
        ("\x9f", "description holds U+009F at 0"),
        ("\ud800", "description holds U+D800 at 0"),
        ("\udfff", "description holds U+DFFF at 0"),
    ],
)
def test_a_bad_description_is_told_why(text: str, reason: str) -> None:
    """Too long, a control character or a surrogate, and where."""
    assert check_description(text) == reason


@pytest.mark.parametrize("character", [" ", "~", "\xa0", "\ud7ff", "\ue000", "\U0010ffff"])
def test_neighbours_of_the_refused_characters_are_allowed(character: str) -> None:
    """One before and one after each range."""
    assert check_description(character) is None


@given(st.lists(descriptions, max_size=40))
def test_the_texts_of_a_backlog_survive_the_wire(several: list[str]) -> None:
    """As many as there were, in their order, empty ones included."""
    assert decode_texts(_received(encode_texts(several)), len(several)) == several


def test_a_backlog_of_like_texts_is_shorter_than_the_texts_apart() -> None:
    """What one says the next need not repeat."""
    several = [f"{USUAL}{number}" for number in range(50)]
    apart = sum(len(msgpack.packb(encode_text(text))) for text in several)
    assert len(msgpack.packb(encode_texts(several))) < apart / 2


def test_a_whole_backlog_of_longest_texts_is_read() -> None:
    """The room of all is the sum of theirs."""
    several = ["网" * MAX_DESCRIPTION_CHARACTERS] * 255
    assert decode_texts(_received(encode_texts(several)), 255) == several


@pytest.mark.parametrize("value, count", [("", 2), ("a\nb", 1), ("a\nb", 3), ("a", 0)])
def test_a_wrong_number_of_texts_is_refused(value: str, count: int) -> None:
    """The reports could not be told which is whose."""
    with pytest.raises(TextError):
        decode_texts(value, count)


def test_a_line_feed_in_a_description_cannot_be_sent() -> None:
    """It would shift every text behind it."""
    with pytest.raises(TextError, match="line feed"):
        encode_texts(["a", "b\nc"])


@pytest.mark.parametrize("text, found", [("", None), ("好", None), ("a\x07b", "U+0007 at 1")])
def test_unfit_characters(text: str, found: str | None) -> None:
    """The first is named with its place."""
    assert unfit_character(text) == found
