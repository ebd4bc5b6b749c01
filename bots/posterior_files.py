"""Posteriors, as the service gives them in a Parquet file, written as CSV and JSONL."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from trainer_client import PosteriorRow

COLUMNS = tuple(PosteriorRow.model_fields)

Rows = Iterable[Mapping[str, Any]]


def write_csv(path: Path, rows: Rows) -> None:
    """A CSV file (RFC 4180) with a header; empty cells are unset."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Rows) -> None:
    """A JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


WRITERS: dict[str, Callable[[Path, Rows], None]] = {".csv": write_csv, ".jsonl": write_jsonl}
