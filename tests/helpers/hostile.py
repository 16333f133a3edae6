"""What is usual with a few places changed: more telling than random bytes, for any format."""

from collections.abc import Iterable

from hypothesis import strategies as st

FRAGMENTS = (
    *(b"", b"\0", b"\n", b"\r", b'"', b"'", b",", b"{", b"}", b"[", b"]", b"=", b":", b"/"),
    *(b"\\u0000", b"\\ud800", b"\xff", b"\xed\xa0\x80", "\u06f1".encode(), "\U0001f573".encode()),
    *(b"nan", b"inf", b"-1", b"1e99", b"0.1", b"9" * 20, b"9" * 5_000, b"true", b"null"),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"),
)
"""What parsers stumble over."""


def changed(usual: Iterable[bytes]) -> st.SearchStrategy[bytes]:
    """One of the usual inputs, up to four places of it replaced."""
    return _changed(tuple(usual))


@st.composite
def _changed(draw: st.DrawFn, usual: tuple[bytes, ...]) -> bytes:
    data = draw(st.sampled_from(usual))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        fragment = draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=6))
        data = data[:at] + fragment + data[at + draw(st.integers(0, 8)) :]
    return data
