"""Tables for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text


def table_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """A line a row."""
    table = Table(*columns, box=box.SIMPLE)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    return table


def pairs_of(values: Mapping[str, Any], title: str | None = None) -> Table:
    """A line a name, with its value."""
    table = Table(
        title=None if title is None else Text(title), title_justify="left", box=box.SIMPLE, show_header=False
    )
    table.add_column()
    table.add_column(justify="left", overflow="fold")
    for name, value in values.items():
        table.add_row(Text(name), _cell(value))
    return table


def _cell(value: Any) -> Text:
    match value:
        case None:
            text = "–"
        case str():
            text = value
        case bool() | float() | dict() | list():
            text = json.dumps(value, ensure_ascii=False)
        case int():
            text = f"{value:,}"
        case _:
            text = str(value)
    return Text(text, overflow="fold")
