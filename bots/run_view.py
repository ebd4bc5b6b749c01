"""A run as tables for the terminal."""

import json

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trainer_client import RunStatus


def config_view(status: RunStatus) -> RenderableType:
    """What the run was made with."""
    table = _pairs("config")
    for name, value in status.config.items():
        table.add_row(Text(name), Text(value if isinstance(value, str) else json.dumps(value)))
    return table


def status_view(status: RunStatus, note: str | None = None) -> RenderableType:
    """Where the run stands; below it what should be seen to, and a note."""
    table = _pairs(f"run {status.run}")
    table.add_row("step", f"{status.step:,}")
    for name, selections in status.selections.model_dump().items():
        table.add_row(f"selections {name}", f"{selections:,}")
    table.add_row("tasks", f"{status.tasks:,}")
    table.add_row("never selected", f"{status.never_selected:,}")
    table.add_row("excluded", _count(status.excluded))
    table.add_row("drops", _count(status.dropped))
    table.add_row("ETR last", _number(status.etr.last))
    table.add_row("ETR recent", _number(status.etr.recent))
    table.add_row("evaluation ETR", _number(status.etr.evaluation))
    for name in ("parent", "staleness", "rewound"):
        if (told := getattr(status, name)) is not None:
            table.add_row(name, Text(", ".join(f"{key} {value}" for key, value in told.items())))

    domains = Table("domain", box=box.SIMPLE)
    domains.add_column("capability μ", justify="right")
    domains.add_column("ETR recent", justify="right")
    for domain in sorted(status.capability.keys() | status.etr.by_domain.keys()):
        domains.add_row(
            Text(domain),
            _number(status.capability.get(domain)),
            _number(status.etr.by_domain.get(domain)),
        )
    notes = [*status.warnings, *([note] if note else [])]
    return Group(table, domains, *(Text(each, style="red") for each in notes))


def status_markdown(status: RunStatus) -> str:
    """Where the run stands, as Markdown: a list, a table of the domains, and what should be seen to."""
    config = status.config
    lines = [
        f"## Run `{status.run}`",
        "",
        f"- step {status.step:,} over {status.tasks:,} tasks of pool `{config['pool']}`, "
        f"{status.never_selected:,} never selected",
        f"- posterior `{config['posterior']['type']}`, policy `{config['policy']['type']}`",
        "- selections: " + ", ".join(f"{n:,} {name}" for name, n in status.selections.model_dump().items()),
        f"- effective task ratio: last {_number(status.etr.last)}, recent {_number(status.etr.recent)}",
        f"- drops {_count(status.dropped)}, excluded {_count(status.excluded)}",
        *(f"- **warning**: {each}" for each in status.warnings),
        "",
        "| domain | capability μ | ETR recent |",
        "|---|---|---|",
    ]
    for domain in sorted(status.capability.keys() | status.etr.by_domain.keys()):
        cell = domain.replace("|", "\\|")
        ratio = _number(status.etr.by_domain.get(domain))
        lines.append(f"| {cell} | {_number(status.capability.get(domain))} | {ratio} |")
    return "\n".join(lines)


def _pairs(title: str) -> Table:
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE, show_header=False)
    table.add_column()
    table.add_column(justify="left", overflow="fold")
    return table


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
