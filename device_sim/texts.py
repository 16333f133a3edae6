"""Descriptions as inspectors type them: where, what is wrong, how much of it, what was done [A].

Most are one sentence of 8 to 60 characters; some are empty, because a quick report needs no text;
a few are long stories up to the protocol's limit. Digits, full-width punctuation, rare characters
and emoji occur, for that is what breaks software that takes text lightly.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from device_sim.reference import Finding, Street, places
from gateway.protocol.report import Patrol, Urgency
from gateway.protocol.text import MAX_DESCRIPTION_CHARACTERS

EMPTY_SHARE: Final = 0.08
"""Quick reports (快速上报): class, place and picture say it all."""

LONG_SHARE: Final = 0.015
SYMBOL_SHARE: Final = 0.002
"""Texts that end in an emoji. In 2008 few handsets had any; they are here to be carried whole."""

RARE_SHARE: Final = 0.006
"""Texts with a place whose name has rare characters, some outside the Basic Plane."""

EXTENT_SHARE: Final = 0.45
ENDING_SHARE: Final = 0.7
MIN_CHARACTERS: Final = 8
"""Below this a sentence gets an ending in any case."""

MAX_MORE_SENTENCES: Final = 16
"""Sentences added to a long text."""

AREA_UNITS: Final = frozenset({"米", "平方米"})
"""Units that are estimated and not counted."""


class DescriptionWriter:
    """Writes the descriptions of one inspector, with the roads and shops of his street."""

    def __init__(self, random: Random, street: Street) -> None:
        """Draw every choice from `random`."""
        words = places()
        self._chance = random.random
        self._roads = words["roads"][str(street.code)]
        self._communities = words["communities"][str(street.code)]
        self._shops = words["places"]["shops"]
        self._rare = words["places"]["rare"]
        self._parts = words["places"]["parts"]
        self._sides = words["places"]["sides"]
        self._endings = words["endings"]
        self._places: tuple[Callable[[], str], ...] = (
            self._house,
            self._house,
            self._part,
            self._part,
            self._crossing,
            self._lamp_post,
            self._lane,
            self._shop,
            self._shop,
            self._factory,
        )

    def write(self, finding: Finding, urgency: Urgency, patrol: Patrol, *, simple: bool) -> str:
        """One description, up to `MAX_DESCRIPTION_CHARACTERS` characters."""
        kind_of_text = self._chance()
        if kind_of_text < EMPTY_SHARE:
            return ""
        text = self._beginning(patrol) + self._place() + self._pick(finding.phrases)
        if self._chance() < EXTENT_SHARE:
            text += self._extent(finding.unit)
        if len(text) < MIN_CHARACTERS or self._chance() < ENDING_SHARE:
            text += "\uff0c" + self._pick(self._ending(urgency, simple=simple))
        if kind_of_text > 1 - LONG_SHARE:
            return self._long(text)
        if self._chance() < SYMBOL_SHARE:
            return text + self._pick(self._endings["emoji"])
        return text + "\u3002" if self._chance() < ENDING_SHARE else text

    def _pick(self, choices: list[str] | tuple[str, ...]) -> str:
        return choices[int(self._chance() * len(choices))]

    def _number(self, limit: int) -> int:
        """1 to `limit`, small numbers likelier."""
        return 1 + int(limit * self._chance() ** 2)

    def _beginning(self, patrol: Patrol) -> str:
        if patrol == Patrol.ROUTINE:
            return ""
        return self._pick(self._endings["special" if patrol == Patrol.SPECIAL else "hotline"])

    def _place(self) -> str:
        if self._chance() < RARE_SHARE:
            return self._pick(self._rare) + self._pick(self._sides)
        return self._places[int(self._chance() * len(self._places))]()

    def _house(self) -> str:
        return f"{self._pick(self._roads)}{self._number(400)}号{self._pick(self._sides)}"

    def _part(self) -> str:
        return self._pick(self._roads) + self._pick(self._parts)

    def _crossing(self) -> str:
        road, other = self._pick(self._roads), self._pick(self._roads)
        return f"{road}路口" if road == other else f"{road}与{other}交汇处"

    def _lamp_post(self) -> str:
        return f"{self._pick(self._roads)}{self._number(900):04d}号灯杆旁"

    def _lane(self) -> str:
        return f"{self._pick(self._communities)}{self._number(20)}巷{self._number(30)}号"

    def _shop(self) -> str:
        return self._pick(self._roads) + self._pick(self._shops) + self._pick(self._sides)

    def _factory(self) -> str:
        return f"{self._pick(self._communities)}第{self._number(9)}工业区{self._number(40)}栋"

    def _extent(self, unit: str) -> str:
        if unit in AREA_UNITS:
            return f"\uff0c约{self._number(60)}{unit}"
        return f"\uff0c共{self._number(8)}{unit}"

    def _ending(self, urgency: Urgency, *, simple: bool) -> list[str]:
        if simple:
            return self._endings["simple"]
        if urgency == Urgency.EMERGENCY:
            return self._endings["emergency"]
        return self._endings["difficult" if urgency == Urgency.DIFFICULT else "open"]

    def _long(self, text: str) -> str:
        for _ in range(2 + self._number(MAX_MORE_SENTENCES - 2)):
            sentence = self._pick(self._endings["more"]).format(
                n=self._number(30),
                h=6 + self._number(15),
                shop=self._pick(self._shops),
            )
            text += f"\u3002{sentence}"
        return f"{text}\u3002"[:MAX_DESCRIPTION_CHARACTERS]
