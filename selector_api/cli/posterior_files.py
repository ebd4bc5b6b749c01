"""Posteriors written as Parquet, CSV and JSONL; each writer returns how many rows there were."""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from trainer_client import PosteriorRow

COLUMNS = tuple(PosteriorRow.model_fields)
BATCH_ROWS = 16_384


def write_parquet(path: Path, rows: Iterable[PosteriorRow]) -> int:
    """A Parquet file, a row group for every batch."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {"task": pa.string(), "selected": pa.int64(), "last_step": pa.int64()}
    schema = pa.schema([(column, types.get(column, pa.float64())) for column in COLUMNS])
    written = 0
    with ParquetWriter(path, schema) as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist([row.model_dump() for row in batch], schema))
            written += len(batch)
    return written


def write_csv(path: Path, rows: Iterable[PosteriorRow]) -> int:
    """A CSV file (RFC 4180) with a header; empty cells are unset."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(row.model_dump())
            written += 1
    return written


def write_jsonl(path: Path, rows: Iterable[PosteriorRow]) -> int:
    """A JSON object a line."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(row.model_dump_json() + "\n")
            written += 1
    return written


WRITERS: dict[str, Callable[[Path, Iterable[PosteriorRow]], int]] = {
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".jsonl": write_jsonl,
}


def _batches(rows: Iterable[PosteriorRow]) -> Iterator[list[PosteriorRow]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield batch
