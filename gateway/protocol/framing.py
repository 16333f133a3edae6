"""Frames on a byte stream: a length, then so many bytes.

The length is an unsigned LEB128 number of one or two bytes (seven bits a byte, low bits first, the
high bit set when another byte follows), as MQTT 3.1.1 section 2.2.3 has it. MQTT payloads carry
the same body without the length, because MQTT already keeps boundaries.
"""

from typing import Final

from gateway.protocol.errors import LocalProtocolError, RefusalCode, RemoteProtocolError
from gateway.protocol.limits import MAX_FRAME_BYTES

_CONTINUES: Final = 0x80
_SEVEN_BITS: Final = 0x7F
_SHRINK_AFTER_BYTES: Final = 65_536
"""Consumed bytes are cut off the buffer in steps of this size: cutting moves what is left."""


def encode_frame(body: bytes) -> bytes:
    """Put the length before a body of 1 to `MAX_FRAME_BYTES` bytes.

    Raises `LocalProtocolError` for any other size: to split is the caller's part.
    """
    size = len(body)
    if not 0 < size <= MAX_FRAME_BYTES:
        message = f"a frame body has 1 to {MAX_FRAME_BYTES} bytes, not {size}: split it"
        raise LocalProtocolError(message)
    if size <= _SEVEN_BITS:
        return bytes((size,)) + body
    return bytes((size & _SEVEN_BITS | _CONTINUES, size >> 7)) + body


class FrameBuffer:
    """Collects bytes and gives back whole bodies."""

    __slots__ = ("_data", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0

    def __len__(self) -> int:
        """Bytes that wait."""
        return len(self._data) - self._start

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes as they came; frames may be cut anywhere."""
        self._data += data

    def next_body(self) -> bytes | None:
        """Take the next whole body, or None when it has not all arrived.

        Raises `RemoteProtocolError` (`BAD_FRAME`) for a length of zero, one over the limit or one
        that is not written in the fewest bytes; where the next frame begins is then unknown.
        """
        place = self._find()
        if place is None:
            return None
        begin, end = place
        body = bytes(self._data[begin:end])
        self._consume(end)
        return body

    def peek_body(self) -> bytes | None:
        """The same without taking it."""
        place = self._find()
        return None if place is None else bytes(self._data[slice(*place)])

    def _find(self) -> tuple[int, int] | None:
        """Where the next whole body begins and ends."""
        data, start = self._data, self._start
        if start == len(data):
            return None
        size = data[start]
        begin = start + 1
        if size & _CONTINUES:
            if begin == len(data):
                return None
            high = data[begin]
            if high & _CONTINUES or not high:
                raise RemoteProtocolError(
                    RefusalCode.BAD_FRAME,
                    f"a length is 1 to {MAX_FRAME_BYTES} in the fewest bytes",
                )
            size = size & _SEVEN_BITS | high << 7
            begin += 1
        elif not size:
            raise RemoteProtocolError(RefusalCode.BAD_FRAME, "a frame of no bytes")
        end = begin + size
        return (begin, end) if end <= len(data) else None

    def take_all(self) -> bytes:
        """Take everything that waits, whole frames or not."""
        rest = bytes(self._data[self._start :])
        self._consume(len(self._data))
        return rest

    def _consume(self, end: int) -> None:
        if end == len(self._data):
            self._data.clear()
            self._start = 0
        elif end >= _SHRINK_AFTER_BYTES:
            del self._data[:end]
            self._start = 0
        else:
            self._start = end
