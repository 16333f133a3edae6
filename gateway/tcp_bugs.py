"""A bug of ours in what handles one TCP session costs that session and no other."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Failing(Protocol):
    """Something that can end itself."""

    def fail(self, error: Exception) -> None:
        """End after a bug of ours, visibly."""
        ...


P = ParamSpec("P")
Session = TypeVar("Session", bound=Failing)


def costs_only_its_session(
    method: Callable[Concatenate[Session, P], None],
) -> Callable[Concatenate[Session, P], None]:
    """A bug of ours in the method ends its session and does not reach the event loop."""

    @wraps(method)
    def guarded(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(session, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the others
            session.fail(error)

    return guarded
