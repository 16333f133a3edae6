"""In which order the parts run, so that the machine's noise hits all alike. Pure."""

from collections.abc import Sequence

from bench.results import CEILING


def schedule(parts: Sequence[str], rounds: int) -> list[str]:
    """Every part once a round; the ceiling, if wanted, before each of them and at the end."""
    others = [name for name in parts if name != CEILING]
    if CEILING not in parts:
        return others * rounds
    if not others:
        return [CEILING] * rounds
    return [name for part in others * rounds for name in (CEILING, part)] + [CEILING]
