"""Pages of lists: how much of one, from where on, and what a caller sees of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Query

from selector_api.core.course import MAX_POINTS

MAX_ENTRIES = 1_000
MAX_TASKS_A_PAGE = 10_000

Limit = Annotated[int, Query(ge=1, le=MAX_ENTRIES, description="Entries of a page")]
TaskLimit = Annotated[int, Query(ge=1, le=MAX_TASKS_A_PAGE, description="Tasks of a page")]
NameCursor = Annotated[str, Query(max_length=256, description="`next` of the page before")]
PlaceCursor = Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before")]
Points = Annotated[int, Query(ge=1, le=MAX_POINTS, description="Points at the most")]


async def page_of_names(
    read: Callable[[str, int], Awaitable[list[str]]], is_seen: Callable[[str], bool], after: str, limit: int
) -> tuple[list[str], str | None]:
    """The next names that a caller may see, and the cursor of the page behind them, None if there is none.

    No cursor is a name that the caller may not see.

    Args:
        read: gives so many names behind one, in order.
        is_seen: whether the caller may see a name.
        after: the name behind which the page begins, "" for the first page.
        limit: names of a page.
    """
    seen: list[str] = []
    names = await read(after, limit)
    while names:
        seen += filter(is_seen, names)
        if len(names) < limit or len(seen) >= limit:
            break
        names = await read(names[-1], limit)
    page = seen[:limit]
    return page, page[-1] if len(page) == limit else None
