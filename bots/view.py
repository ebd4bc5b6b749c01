"""`bots view`: the dashboard of runs that are over, without a service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bots.failures import store_failures
from bots.run_export import SUFFIX
from services.command_line.failures import MISTAKE, Failure, needing_extra

if TYPE_CHECKING:
    from selector_api.core.tasks import TaskTable
    from selector_api.store.store import Store

_DATA = "appendonlydir"


def view(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|FOLDER]",
            show_default=False,
            help="What `bots run export` wrote, a log, or the data folder of a service that is over.",
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Show made runs instead.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this machine; 0: a free one.")] = 0,
) -> None:
    """Show runs that are over in the dashboard, without a service, until Ctrl-C.

    Nothing of them changes: what is shown is a copy.

    Example:

        bots view --demo
        bots view my-run.zip
        bots view bots-data --port 8001
    """
    if demo == (source is not None):
        raise Failure("give a file or a data folder, or --demo", MISTAKE)
    with needing_extra("server"), TemporaryDirectory(prefix="bots-view-") as folder:
        from selector_api.store.saved_runs import put
        from selector_api.web.viewing import view as serve

        shown: list[tuple[str, Iterator[Mapping[str, Any]], TaskTable]] = []
        if source is None:
            from bots.view_demo import made_runs

            shown += made_runs()
        elif source.is_dir():
            _copy(source, Path(folder))
        else:
            shown.append(_of_file(source))

        async def fill(store: Store) -> None:
            for name, events, table in shown:
                await put(store, name, events, table)

        try:
            with store_failures():
                serve(Path(folder), port, fill, _tell)
        except ValueError as error:
            raise Failure(f"{source}: {error}", MISTAKE) from error
        except SystemExit as end:  # uvicorn has logged why
            raise Failure(f"--port: nobody can listen on {port} here; 0 takes a free one") from end


def _tell(address: str) -> None:
    typer.echo(f"{address}/  shows it until Ctrl-C")


def _copy(source: Path, folder: Path) -> None:
    from selector_api.child_processes import locked

    if not (source / _DATA).is_dir():
        raise Failure(
            f"{source}: it is no data folder of `bots serve`: there is no {_DATA} in it; a Redis that is served by "
            "`bots serve --redis-url` has the page itself",
            MISTAKE,
        )
    if (source / "service.lock").exists():
        with (source / "service.lock").open("r+b") as lock:
            if not locked(lock.fileno()):
                raise Failure(f"{source}: a service runs on it; open its address, it serves the page itself")
    shutil.copytree(source / _DATA, folder / _DATA)


def _of_file(path: Path) -> tuple[str, Iterator[Mapping[str, Any]], TaskTable]:
    from bots.replay_logs import log_file, saved_run

    if not path.is_file():
        raise Failure(f"{path}: there is no such file", MISTAKE)
    log = saved_run(path, path.stem, None) if path.suffix == SUFFIX else log_file(path, None)
    if not log.has_pool and (references := _references(log.events())):
        raise Failure(
            f"{path}: the run's posterior reads {', '.join(references)}, which a log by itself does not have; "
            "`bots run export` writes a file that has them",
            MISTAKE,
        )
    return path.stem, iter(log.events()), log.table


def _references(events: Iterator[Mapping[str, Any]]) -> tuple[str, ...]:
    """The references that the run of this log reads."""
    from selector_api.core.config import RunConfig

    for event in events:
        if event["type"] == "created":
            return RunConfig.from_dict(event["config"]).posterior.references
    return ()
