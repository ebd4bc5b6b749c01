"""How a run goes, for the terminal: sparklines of its course, its pace, leases, hardest and easiest tasks."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trainer_client import SelectorClient
from trainer_client.listings import RunHistory, SelectionSummary
from trainer_client.models import PosteriorRow

POINTS = 48
_BARS = "▁▂▃▄▅▆▇█"
_TASKS = 5
_LEASES = 8


def course_view(client: SelectorClient, run: str, commits_a_minute: float | None) -> RenderableType:
    """The course, the open selections, and the tasks at both ends, as the service tells them now."""
    return Group(
        _course(client.history(run, points=POINTS), commits_a_minute),
        _leases(list(islice(client.selections("open", run), _LEASES + 1))),
        _tasks("hardest", islice(client.posteriors(run, sort="mean"), _TASKS)),
        _tasks("easiest", islice(client.posteriors(run, sort="-mean"), _TASKS)),
    )


def sparkline(values: Sequence[float | None], low: float = 0.0, high: float = 1.0) -> str:
    """A bar a value between `low` and `high`; a gap where there is none."""
    steps = len(_BARS) - 1
    return "".join(
        " " if value is None else _BARS[round(steps * min(max((value - low) / (high - low), 0.0), 1.0))]
        for value in values
    )


def _course(course: RunHistory, commits_a_minute: float | None) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    for justify in ("left", "left", "right"):
        table.add_column(justify=justify)
    for title, name in (("ETR", "etr"), ("predicted rate", "predicted"), ("seen rate", "seen")):
        values = [point.get(name) for point in course.points]
        newest = next((value for value in reversed(values) if value is not None), None)
        table.add_row(title, sparkline(values), "–" if newest is None else f"{newest:.3f}")
    if commits_a_minute is not None:
        table.add_row("commits a minute", "", f"{commits_a_minute:.1f}")
    return table


def _leases(found: Sequence[SelectionSummary]) -> Table:
    table = Table("open selection", "key", box=box.SIMPLE)
    table.add_column("tasks", justify="right")
    table.add_column("lease ends in", justify="right")
    now = datetime.now(UTC)
    for each in found[:_LEASES]:
        left = "–" if each.expires_at is None else f"{max((each.expires_at - now).total_seconds(), 0):,.0f} s"
        table.add_row(Text(each.selection), Text(each.key or "–"), f"{len(each.tasks):,}", left)
    if len(found) > _LEASES:
        table.add_row("and more", "", "", "")
    return table


def _tasks(title: str, rows: Iterable[PosteriorRow]) -> Table:
    table = Table(title, "domain", box=box.SIMPLE)
    for name in ("mean", "sd", "passed", "selected"):
        table.add_column(name, justify="right")
    for row in rows:
        passed = "–" if row.trials is None else f"{row.successes or 0:.10g} of {row.trials}"
        table.add_row(
            Text(row.task),
            Text(row.domain or "–"),
            f"{row.mean:.3f}",
            f"{row.sd:.3f}",
            passed,
            f"{row.selected:,}",
        )
    return table
