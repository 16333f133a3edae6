"""Vectors of what frames are made of: texts, proofs, acks and the numbers they cover."""

from collections.abc import Iterator
from typing import Any, Final

import msgpack

from gateway.protocol.acks import covered
from gateway.protocol.messages import Ack, encode
from gateway.protocol.proof import device_proof, mqtt_password
from gateway.protocol.text import encode_text
from scripts import wire_examples as given
from scripts.proof_steps import proof_steps
from scripts.text_forms import text_forms

Vector = dict[str, Any]

TEXTS: Final = {
    "empty": "",
    "three-letters": "ABC",
    "one-character": "井",
    "usual-sentence": given.ORDINARY.description,
    "never-seen-words": "鳜鱼肥美，桃花流水",
    "four-byte-gb18030": "😀店外经营",
    "utf8-only": "\u9fb4",
    "five-hundred-characters": "井盖破损。" * 100,
}


def text_vectors() -> Iterator[Vector]:
    """Texts in each form they may take, as msgpack values."""
    for name, text in TEXTS.items():
        forms = {form: msgpack.packb(value).hex() for form, value in text_forms(text).items()}
        shortest = msgpack.packb(encode_text(text)).hex()
        yield {
            "name": name,
            "text": text,
            "forms": forms,
            "shortest": next(form for form, value in forms.items() if value == shortest),
        }


def proof_vectors() -> Iterator[Vector]:
    """Both proofs with all inputs and every value on the way."""
    for name, over_mqtt in (("tcp", False), ("mqtt", True)):
        greeting = given.greeting(over_mqtt=over_mqtt)
        steps = proof_steps(given.SECRET, greeting)
        if steps["device_proof"] != device_proof(given.SECRET, greeting):
            raise AssertionError("the steps of the example do not make the proof of the code")
        yield {
            "name": name,
            "device": given.DEVICE,
            "installation": given.INSTALLATION,
            "secret": given.SECRET.hex(),
            "gateway_nonce": greeting.gateway_nonce.hex(),
            "device_nonce": greeting.device_nonce.hex(),
            **{step: value.hex() for step, value in steps.items()},
            "mqtt_password": mqtt_password(given.SECRET),
        }


def ack_examples() -> Iterator[tuple[str, Ack]]:
    """Acks with and without exceptions."""
    yield "cumulative", Ack(42)
    yield "nothing-yet", Ack(0)
    yield "one-range", Ack(42, [2, 3])
    yield "two-ranges", Ack(42, [2, 3, 10, 1])


def ack_vectors() -> Iterator[Vector]:
    """The numbers that each ack covers, as runs of first and last."""
    for name, ack in ack_examples():
        runs = [[run.start, run.stop - 1] for run in covered(ack) if run]
        yield {"name": name, "body": encode(ack).hex(), "covered": runs}
