"""How many tasks one body of POST /pools/{pool}/tasks may hold."""

from __future__ import annotations

from selector_api.web.problems import PAYLOAD_TOO_LARGE, Problem

MAX_TASKS = 250_000


def refuse_too_many(tasks: int) -> None:
    """Refuse a body of this many tasks, if they are too many.

    Raises:
        Problem: payload-too-large.
    """
    if tasks > MAX_TASKS:
        raise Problem(PAYLOAD_TOO_LARGE, f"body: at most {MAX_TASKS} tasks; send them in several requests")
