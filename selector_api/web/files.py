"""Answers that are files: which type was asked for, and how one is given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from selector_api.web import problems
from selector_api.web.problems import Problem
from selector_api.web.task_bodies import JSON, PARQUET


def accepted(accept: str) -> str:
    """The first type of an Accept header that can be given.

    Raises:
        Problem: not-acceptable.
    """
    for entry in accept.split(","):
        wanted = entry.partition(";")[0].strip().lower()
        if wanted == PARQUET:
            return PARQUET
        if wanted in (JSON, "application/*", "*/*", ""):
            return JSON
    raise Problem(problems.NOT_ACCEPTABLE, f"Accept: ask for {JSON} or {PARQUET}")


async def parquet_answer(write: Callable[[Path], None], name: str) -> FileResponse:
    """The Parquet file that `write` writes, beside the event loop."""
    folder = tempfile.TemporaryDirectory(prefix="bots-")
    path = Path(folder.name, name)
    try:
        await anyio.to_thread.run_sync(write, path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, media_type=PARQUET, background=BackgroundTask(folder.cleanup))
