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
    """A CSV file (RFC 4180) with a header; empty cells are unset."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """A JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


WRITERS: dict[str, Callable[[Path, Sequence[str], Rows], None]] = {".csv": write_csv, ".jsonl": write_jsonl}
