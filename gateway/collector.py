"""Python's cyclic garbage collector, set for a server that makes many short-lived objects.

With the defaults the collector runs after every 700 objects that were made and not yet freed: in a
gateway under load every few dozen reports, and each time it walks through what waits in the
batcher. That took a fifth to a third of the gateway's processor time. Reports and their parcels
form no cycles and are freed at once; only closed sessions are left for it.
"""

import gc
from typing import Final

NEW_OBJECTS: Final = 10_000
"""Objects made and not freed before the young ones are looked through: some 250 sessions' worth
(estimated)."""

YOUNG_ROUNDS: Final = 5
"""Rounds of one generation before the next older one. A full round comes at the latest after
250,000 objects: closed sessions that wait for it take some 30 MB (estimated)."""


def calm_collector() -> None:
    """Call once, when everything has started. What is there by then stays, and is not walked
    through any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, YOUNG_ROUNDS)
