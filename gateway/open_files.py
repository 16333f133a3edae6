"""The process's limit of open files, which each connection counts against."""

import resource
from typing import Final

from gateway import observe_door
from gateway.settings import DatabaseSettings, TcpSettings

RESERVE_FILES: Final = 256
"""For everything but handsets and the pool: libraries, logs, the broker, HTTP, connections that are
closing. A gateway at rest has some 30."""


def provide_files(tcp: TcpSettings, database: DatabaseSettings) -> None:
    """Raise the limit so that `tcp.max_sessions` and `tcp.max_strangers` fit.

    As far as the hard limit lets us. Where it does not, this warns and the gateway runs: it may
    never have so many connections; if it has, accepting waits, and those inside go on.
    """
    needed = tcp.max_sessions + tcp.max_strangers + database.max_connections + RESERVE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, needed):
        return
    allowed = needed if _covers(hard, needed) else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        observe_door.files_limited(needed, allowed)


def _covers(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
