"""One rank of a training asks the selector, and all hear."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def asked_once(
    ask: Callable[[], T], *, is_main: bool, broadcast: Callable[[T | None], T | None], what: str
) -> T:
    """One rank asks and all hear. Every rank calls this.

    Args:
        ask: called on the main rank alone.
        is_main: whether this is the main rank.
        broadcast: hands the main rank's argument to every rank, which gets it returned. It is called also if `ask`
            fails, with None, because the others wait for it.
        what: what is asked for, for the error.

    Returns:
        The main rank's answer.

    Raises:
        RuntimeError: on the other ranks, if the main one failed. On the main rank its own error is raised.
    """
    answer: T | None = None
    try:
        if is_main:
            answer = ask()
    finally:
        heard = broadcast(answer)
    if heard is None:
        raise RuntimeError(f"the main rank got no {what}; its own error says why")
    return heard


def alone(answer: Any) -> Any:
    """The broadcast of a training of one rank."""
    return answer
