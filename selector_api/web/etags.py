"""Answers that are given only if the asker does not have them: ETag and If-None-Match (RFC 9110, section 13.1.2).

Whoever looks at a run again and again costs little while nothing happens in it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import Request, Response

from selector_api.core.state import RunState
from selector_api.store.live_run import LiveRun
from selector_api.web.task_bodies import JSON

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the answer whose ETag was sent as If-None-Match"}
}
_RELEASE = version("bots-selector")


async def unless_known(request: Request, live_run: LiveRun, view: Callable[[RunState], bytes]) -> Response:
    """What `view` makes of a run's state, as JSON; a 304 if the asker has that of this very state.

    Raises:
        UnknownRun: the run does not exist.
    """

    def tagged(state: RunState) -> tuple[str, bytes | None]:
        return _tag(live_run), None if is_known(request, live_run) else view(state)

    tag, body = await live_run.read(tagged)
    headers = {"ETag": f"W/{tag}"}
    if body is None:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


def is_known(request: Request, live_run: LiveRun) -> bool:
    """Inside a view: whether the asker has what can be said of the state which is looked at."""
    known = request.headers.get("if-none-match", "").split(",")
    return _tag(live_run) in {tag.strip().removeprefix("W/") for tag in known}


def _tag(live_run: LiveRun) -> str:
    return f'"{_RELEASE}-{live_run.tag}"'
