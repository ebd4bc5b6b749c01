"""Query parameters of lists: how much of one, and from where on."""

from __future__ import annotations

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
