"""`bots run archive`: a run's first events, moved from Redis to a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import typer

from bots.confirmation import Yes, confirm
from bots.failures import store_failures
from bots.run_export import EVENTS, SUFFIX, TASKS, Archive, archived_lines, write_rows
from bots.running_server import check_folder, running_server
from bots.settings import DataDir, RedisUrl, settings_from
from services.command_line.connection import RunName
from services.command_line.failures import Failure

if TYPE_CHECKING:
    from selector_api.store.log_parts import Bookmark
    from selector_api.store.runs import Run
    from selector_api.store.store import Store


def archive(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Where to write.")],
    earlier: Archive = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Move a run's events that are behind the horizon from Redis to a file; the run goes on as it was.

    It works on the store itself, beside a service or without one. The
    file is as `bots run export` writes it, of these events alone; it
    is read again before anything is let go. The run can then no more
    be forked, and what it knows rests on its newest snapshot.
    `bots run export --archive FILE.zip` joins file and run. An archive
    holds the log from its first event on: the next one takes over what
    the one before has, by --archive.

    Example:

        bots run archive my-run my-run-until-may.zip --data-dir bots-data
    """
    if file.suffix.lower() != SUFFIX:
        raise Failure(f"FILE: got {file.name!r}; its suffix must be {SUFFIX}")
    settings = settings_from(data_dir=data_dir, redis_url=redis_url)
    if settings.redis_url is None:
        check_folder(settings.data_dir)

    async def working() -> int:
        from selector_api.store.connection import check_server
        from selector_api.store.store import open_store

        async with running_server(settings) as url, open_store(url) as store:
            await check_server(store.redis)
            return await _archived(store, run, file, earlier, yes)

    with store_failures():
        count = asyncio.run(working())
    typer.echo(f"{file}: {count:,} events, which are no more in Redis")


async def _archived(store: Store, name: str, file: Path, earlier: Path | None, yes: bool) -> int:
    """Write the file, read it again, and let go of what it has; returns how many events those are."""
    from services.command_line.output import replacing

    run = await store.runs.find(name)
    dropped, packed = await store.archives.droppable(run)
    if packed == dropped:
        raise Failure(f"run: nothing of {name!r} is packed that is not archived: its events are not so old")
    if dropped and earlier is None:
        raise Failure(f"--archive: the first {dropped} events of {name!r} are in an archive: name its file")
    await _check_snapshot(store, run)
    with replacing(file) as unfinished:
        place = await _write(store, run, unfinished, earlier if dropped else None, dropped, packed)
        _check(unfinished, packed)
    confirm(f"Let go of the first {packed:,} events of run {name!r} in Redis? {file} has them.", yes)
    if not await store.archives.drop(run, place):
        raise Failure(f"run: {name!r} is another one by now; nothing was let go")
    return packed


async def _check_snapshot(store: Store, run: Run) -> None:
    """Read the run's newest snapshot: what it knows will rest on that."""
    from selector_api.store.snapshots import restored

    snapshot = await store.snapshots.newest(run.name)
    table = await store.pools.table(run.pool)
    if snapshot is None:
        raise Failure(f"run: {run.name!r} has no snapshot; nothing was let go")
    restored(snapshot.data, table)


async def _write(
    store: Store, run: Run, path: Path, earlier: Path | None, dropped: int, packed: int
) -> Bookmark:
    """Write the run's first events and the tasks of its pool; returns the place behind these events."""
    from selector_api.store.codec import digest_of, numbered_line, un_numbered
    from selector_api.store.log_parts import Bookmark

    place = Bookmark(dropped)
    with ZipFile(path, "w", ZIP_DEFLATED) as written:
        with written.open(EVENTS, "w", force_zip64=True) as lines:
            if earlier is not None:
                line = b""
                for line in archived_lines(earlier, run.name, dropped):
                    lines.write(line)
                place = Bookmark(dropped, digest_of(un_numbered(line)))
            while place.seq < packed:
                stretch = await store.logs.read(run, place)
                if stretch is None and earlier is not None and place.seq == dropped:
                    raise Failure(f"--archive: {earlier} does not hold what {run.name!r} has let go")
                if stretch is None or not stretch.events:
                    raise Failure(f"run: {run.name!r} has lost events meanwhile; nothing was let go")
                events = stretch.events[: packed - place.seq]
                for seq, event in enumerate(events, place.seq + 1):
                    lines.write(numbered_line(event, seq))
                place = place.after(events)
        table, retired = await store.pools.table(run.pool), await store.retirements.retired(run.pool)
        rows = (
            {"id": id_, "domain": domain, "references": references, "retired": id_ in retired}
            for id_, domain, references in table.rows.told()
        )
        write_rows(written, TASKS, rows)
    return place


def _check(path: Path, count: int) -> None:
    """Read what was written: in a moment nothing else has it."""
    try:
        with ZipFile(path) as written, written.open(EVENTS) as lines:
            seqs = [json.loads(line)["seq"] for line in lines]
    except (BadZipFile, ValueError, KeyError) as error:
        raise Failure(f"{path}: what was written is not readable: {error}; nothing was let go") from error
    if seqs != list(range(1, count + 1)):
        raise Failure(f"{path}: it does not hold what was written; nothing was let go")
