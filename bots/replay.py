"""`bots replay`: what other settings would have predicted of a training that is over, or goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from bots.run_export import SUFFIX, write_run
from bots.task_columns import Domain, Id, IdFromHash, Prefix, Reference, Scale, task_columns
from services.command_line.connection import Token, Unreachable, Url, connected
from services.command_line.failures import Failure, needing_extra
from services.command_line.output import replacing

if TYPE_CHECKING:
    from bots.replay_logs import Log
    from bots.replay_outcomes import OutcomeColumns
    from bots.replay_posteriors import Wanted
    from bots.replay_report import Judged
    from selector_api.core.posteriors.posterior import PosteriorKind
    from services.task_files.pool_tasks import TaskColumns, TaskFile

FILES = (SUFFIX, ".jsonl", ".ndjson", ".json", ".gz", ".csv", ".parquet")
"""Suffixes by which a name is a file's, even if there is none."""


def replay(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG…",
            help="A file of `bots run export` (.zip); a run's log (.jsonl, .gz) with --tasks; a file of outcomes "
            "with --successes and --trials; or a run of the service. Several are judged each and together.",
        ),
    ],
    posterior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JSON|FILE",
            help="A posterior to compare with the run's own: JSON, such as "
            '\'{"type": "bots", "forgetting": 0.01}\', or a JSON or YAML file with it or with a run\'s '
            "configuration. Without a type: the run's own with these fields changed. Repeatable.",
        ),
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="For a log in .jsonl the pool's tasks, in the pool's order: the file that was imported, read with "
            "the options of `bots pool import`, --id to --scale; without it no domain or reference is known. For "
            "other runs: domains and references to take besides, or instead.",
        ),
    ] = None,
    successes: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="In a file of outcomes, a row a group: how many passed."),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(metavar="COLUMN|N", help="Out of how many: a column, or a number for all rows."),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The step of a row; without it the rows are in order."),
    ] = None,
    commit_outcomes: Annotated[int, typer.Option(min=1, help="Rows of a step, if no column tells it.")] = 64,
    id_column: Id = None,
    id_from_hash: IdFromHash = None,
    prefix: Prefix = "",
    domain: Domain = None,
    reference: Reference = None,
    scale: Scale = None,
    json_: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png", dir_okay=False, help="Draw them, too.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Where a service that has ended kept its runs: it is started meanwhile.",
        ),
    ] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Tell how well other posteriors would have predicted the outcomes of a training.

    The log is taken in once under each posterior, and before every
    commit each says what it expects. Replay judges predictions, not
    selection: the tasks are those that were picked at the time.

    Example:

        bots replay my-run.zip --posterior '{"forgetting": 0.01}'
            --picture replay.png
    """
    columns = task_columns(id_column, id_from_hash, prefix, domain, reference or [], scale or [])
    outcomes = _outcomes(successes, trials, step, commit_outcomes)
    with needing_extra("server"):
        from rich.console import Console

        from bots.replay_posteriors import distinct
        from bots.replay_report import NOTE, Judged
        from services.command_line.waiting import going_on
        from services.task_files.pool_tasks import TaskFile
    wanted = distinct(posterior or [])
    draw = _draw() if picture is not None else None
    file = TaskFile(tasks, columns) if tasks is not None else None
    with ExitStack() as opened, going_on("reading", Console(stderr=True)) as say:
        if data_dir is not None:
            from services.processes.local_selector import running_service

            url = opened.enter_context(running_service(data_dir))
        found: list[Judged] = []
        for name in logs:
            log = _file(name, columns, file, outcomes) or _of_service(name, file, url, token, opened)
            say(f"replaying {log.name}")
            found.append(_judged(log, wanted))
    together = Judged.all_of(found) if len(found) > 1 else None
    if (
        together is not None and not together.verdicts
    ):  # a run's own and a file's: no posterior is judged on all
        together = None
    if picture is not None and draw is not None:
        with replacing(picture) as unfinished:
            draw(together or found[0], unfinished)
    if json_:
        figures = {"note": NOTE, "logs": [each.to_dict() for each in found]}
        typer.echo(json.dumps(figures | ({"all": together.to_dict()} if together else {})))
        return
    console = Console()
    for each in (*found, *([together] if together else [])):
        console.print(each.view())
    console.print(NOTE, highlight=False)
    if picture is not None:
        typer.echo(f"picture: {picture}")


def _draw() -> Callable[[Judged, Path], None]:
    with needing_extra("trainer"):
        from bots.replay_picture import draw
    return draw


def _outcomes(
    successes: str | None, trials: str | None, step: str | None, commit_outcomes: int
) -> OutcomeColumns | None:
    """Where outcomes stand in the files; None: the files are logs."""
    if (successes is None) != (trials is None):
        raise typer.BadParameter("give both or neither", param_hint="--successes, --trials")
    if successes is None or trials is None:
        if step is not None:
            raise typer.BadParameter("it goes with --successes and --trials", param_hint="--step")
        return None
    with needing_extra("server"):
        from bots.replay_outcomes import OutcomeColumns
    return OutcomeColumns(successes, int(trials) if trials.isdecimal() else trials, step, commit_outcomes)


def _file(
    name: str, columns: TaskColumns, tasks: TaskFile | None, outcomes: OutcomeColumns | None
) -> Log | None:
    """The log in a file; None: there is no file of this name, and it does not look like one."""
    from bots.replay_logs import log_file, saved_run
    from bots.replay_outcomes import outcome_file

    path = Path(name)
    if not path.is_file():
        if "/" in name or path.suffix in FILES:
            raise Failure(f"{name}: there is no such file")
        return None
    if outcomes is not None:
        return outcome_file(path, columns, outcomes)
    return saved_run(path, path.name, tasks) if path.suffix == SUFFIX else log_file(path, tasks)


def _of_service(run: str, tasks: TaskFile | None, url: str, token: str | None, opened: ExitStack) -> Log:
    """A run of the service, as it is now."""
    from bots.replay_logs import saved_run

    path = Path(opened.enter_context(TemporaryDirectory(prefix="bots-")), f"run{SUFFIX}")
    try:
        with connected(url, token) as client:
            write_run(client, run, path)
    except Unreachable as error:
        raise Failure(f"{run}: there is no such file, and {error}") from error
    return saved_run(path, run, tasks)


def _judged(log: Log, wanted: Sequence[Wanted]) -> Judged:
    """The verdict on a log's own posterior, and on those that are wanted."""
    from bots.replay_posteriors import OWN, missing, own_of
    from bots.replay_report import Judged
    from selector_api.core.fields import to_dict
    from selector_api.core.replay import replay as replayed

    try:
        own = own_of(next(log.events(), {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Failure(
            f"{log.name}: it does not begin with the configuration of a run that is known here: {error}"
        ) from error
    configs: dict[str, PosteriorKind] = {each.label: each.under(own, log.table) for each in wanted}
    if not log.is_run:
        configs = configs or {own.type: own}
    elif lacking := missing(own, log.table):
        _say_lacking(log, lacking, is_all=not wanted)
    else:
        configs = {OWN: own, **configs}
    try:
        found = replayed(log.events(), log.table, list(configs.values()))
    except ValueError as error:
        raise Failure(f"{log.name}: {error}") from error
    posteriors = {label: to_dict(config) for label, config in configs.items()}
    return Judged.of(log.name, found, log.table.domains, posteriors)


def _say_lacking(log: Log, lacking: Sequence[str], is_all: bool) -> None:
    """Say why the run's own posterior cannot be judged. Raises `Failure` if nothing else is."""
    words = (
        f"{log.name}: the run's own posterior reads the references {', '.join(lacking)}, which are not there. "
        "Give the file that `bots run export` writes, or --tasks with --reference NAME=COLUMN"
    )
    if is_all:
        raise Failure(words)
    typer.echo(f"{words}. It is left out", err=True)
