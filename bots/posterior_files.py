"""Posteriors, as the service gives them in a Parquet file, written as CSV and JSONL.

Their columns are the file's: some are the own parameters of the run's kind of posterior.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Iterable[Mapping[str, Any]]


def write_csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """A CSV file (RFC 4180) with a header; empty cells are unset, a task's references are JSON."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def write_jsonl(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """A JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the service's file, with the references by name: Parquet's maps are read as pairs."""
    return {name: dict(value) if name == "references" else value for name, value in row.items()}


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | bool) else value


WRITERS: dict[str, Callable[[Path, Sequence[str], Rows], None]] = {".csv": write_csv, ".jsonl": write_jsonl}
