"""Devices over TCP."""

from typing import Final

import msgspec

from bench.load.fleet import Device
from gateway.protocol.framing import encode_frame
from gateway.protocol.limits import NONCE_BYTES, PROTOCOL_VERSION
from gateway.protocol.messages import Ack, Challenge, Hello, Welcome, decode, encode
from gateway.protocol.proof import Greeting, device_proof, verify_gateway_proof

NONCE: Final = bytes(NONCE_BYTES)
"""A bench need not be unpredictable."""

ACK_TAG: Final = 5
_decode_ack = msgspec.msgpack.Decoder(Ack).decode


class TcpDevice(Device):
    """Greets with its proof, then sends frames."""

    def greet(self) -> None:
        """The gateway speaks first."""
        self._greeting: Greeting | None = None

    def take(self, data: bytes) -> int:
        """One or two bytes of length, then a body."""
        begin, size = 0, len(data)
        while begin < size:
            length, body = data[begin], begin + 1
            if length & 0x80:
                if body == size:
                    break
                length, body = length & 0x7F | data[body] << 7, body + 1
            if body + length > size:
                break
            begin = body + length
            self._take_body(data[body:begin])
        return begin

    def _take_body(self, body: bytes) -> None:
        if body[1] == ACK_TAG:
            self.acked(_decode_ack(body).through)
            return
        message = decode(body)
        if isinstance(message, Challenge):
            self._answer(message)
        elif isinstance(message, Welcome) and self._greeting is not None:
            if not verify_gateway_proof(self.plan.secret, self._greeting, message.proof):
                self.failed("the gateway does not know this device")
            self.ready.set_result(None)
        else:
            self.failed(f"the gateway sent {message}")

    def _answer(self, challenge: Challenge) -> None:
        plan = self.plan
        greeting = Greeting(challenge.nonce, NONCE, plan.device_id, plan.installation)
        self._greeting = greeting
        hello = Hello(
            version=PROTOCOL_VERSION,
            device=plan.device_id,
            installation=plan.installation,
            settled_through=0,
            nonce=NONCE,
            proof=device_proof(plan.secret, greeting),
        )
        self.transport.write(encode_frame(encode(hello)))
