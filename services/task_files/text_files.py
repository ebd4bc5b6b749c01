"""Rows of JSON lines, JSON arrays and CSV, each also compressed by gzip (a name that ends with .gz)."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from services.command_line.failures import Failure
from services.task_files.rows import Row, find, no_column

CHUNK_CHARACTERS = 2**16
LONGEST_CELL = 2**27
"""Characters of a cell of a CSV: a code task may have megabytes of tests, and Python's own limit is 128 KiB."""

Content = gzip.GzipFile | io.BufferedReader


class TextFile:
    """What the kinds of text files have in common: `_records` gives each record with its place.

    A row without one of the columns has None there. A column that no row has is a `Failure`, at the end.
    """

    all_text = False

    def __init__(self, path: Path, columns: Sequence[str] | None = None):
        self.path = path
        self.columns = columns
        self.total = path.stat().st_size

    def __iter__(self) -> Iterator[Row]:
        unseen = set(self.columns or ())
        record: Any = {}
        with self._opened() as (raw, file):
            for place, record in self._records(file):
                if not isinstance(record, dict):
                    kind = type(record).__name__
                    raise Failure(f"{self.path}, {place}: got a JSON {kind}; give an object for each task")
                if self.columns is None:
                    values = record
                else:
                    values = {}
                    for column in self.columns:
                        found, values[column] = find(record, column)
                        if found:
                            unseen.discard(column)
                yield Row(place, raw.tell(), values)
        if record and unseen:
            raise no_column(self.path, min(unseen), list(record))

    def batches(self, size: int) -> Iterator["_Batch"]:
        """The rows, at most so many at a time."""
        rows = iter(self)
        while some := list(islice(rows, size)):
            yield _Batch(some)

    def _records(self, file: Content) -> Iterator[tuple[str, Any]]:
        raise NotImplementedError

    @contextmanager
    def _opened(self) -> Iterator[tuple[io.FileIO, Content]]:
        """The file as it lies on the disk, for how far it has been read, and its content."""
        packed = self.path.name.lower().endswith(".gz")
        with self.path.open("rb", buffering=0) as raw:
            try:
                yield raw, gzip.GzipFile(fileobj=raw) if packed else io.BufferedReader(raw)
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise Failure(f"{self.path}: not readable as gzip: {error}") from error


class _Batch:
    """Some rows of a file."""

    def __init__(self, rows: list[Row]):
        self._rows = rows
        self.position = rows[-1].position

    def column(self, name: str) -> Any:
        """The values of a column, as an array of Arrow's."""
        import pyarrow as pa

        return pa.array([row.values[name] for row in self._rows])

    def rows(self) -> Iterator[Row]:
        """The rows one by one."""
        return iter(self._rows)


class JsonLineRows(TextFile):
    """The rows of a file with a JSON object on each line; empty lines are skipped."""

    def _records(self, file: Content) -> Iterator[tuple[str, Any]]:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            place = f"line {number}"
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise Failure(f"{self.path}, {place}: not JSON: {error}") from error


class JsonArrayRows(TextFile):
    """The rows of a file that is one JSON array of objects; it is read piece by piece."""

    def _records(self, file: Content) -> Iterator[tuple[str, Any]]:
        number = 0
        try:
            with io.TextIOWrapper(file, "utf-8-sig") as text:
                for record in _Elements(text):
                    number += 1
                    yield f"row {number}", record
        except (ValueError, RecursionError) as error:
            hint = "" if number else "; a file of one object a line is a .jsonl"
            message = f"not a JSON array after row {number}: {error}{hint}"
            raise Failure(f"{self.path}: {message}") from error


class CsvRows(TextFile):
    """The rows of a CSV with a header. All its values are text, but for empty cells, which are None."""

    all_text = True

    def _records(self, file: Content) -> Iterator[tuple[str, Any]]:
        csv.field_size_limit(LONGEST_CELL)
        with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            first = 1
            try:
                header = next(reader, [])
                self._check(header)
                first = reader.line_num + 1
                for cells in reader:
                    if cells and len(cells) != len(header):
                        counts = f"got {len(cells)} cells, and the header has {len(header)}"
                        raise Failure(f"{self.path}, line {first}: {counts}")
                    if cells:
                        yield (
                            f"line {first}",
                            {name: cell or None for name, cell in zip(header, cells, strict=True)},
                        )
                    first = reader.line_num + 1
            except (csv.Error, UnicodeDecodeError) as error:
                raise Failure(f"{self.path}, line {first}: not CSV: {error}") from error

    def _check(self, header: list[str]) -> None:
        for name in header:
            if header.count(name) > 1:
                raise Failure(f"{self.path}, line 1: two columns are named {name!r}")
        for column in self.columns or ():
            if column not in header:
                raise no_column(self.path, column, header)


class _Elements:
    """The elements of a JSON array. Raises ValueError where it is none."""

    _decode = json.JSONDecoder().raw_decode
    _space = re.compile(r"\s*")

    def __init__(self, text: TextIO):
        self._text = text
        self._buffer = ""
        self._at = 0

    def __iter__(self) -> Iterator[Any]:
        self._take("[")
        if self._next() == "]":
            return
        while True:
            yield self._element()
            if self._take(",]") == "]":
                return

    def _next(self) -> str:
        """The next character that is no white space."""
        while True:
            space = self._space.match(self._buffer, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            self._buffer, self._at = self._text.read(CHUNK_CHARACTERS), 0
            if not self._buffer:
                raise ValueError("it ends too early")

    def _take(self, expected: str) -> str:
        character = self._next()
        if character not in expected:
            raise ValueError(f"got {character!r} in the place of {' or '.join(expected)}")
        self._at += 1
        return character

    def _element(self) -> Any:
        self._next()
        while True:
            try:
                value, self._at = self._decode(self._buffer, self._at)
            except json.JSONDecodeError:
                # It may go on in what was not read yet; doubling keeps the work in proportion to its length.
                more = self._text.read(max(CHUNK_CHARACTERS, len(self._buffer)))
                if not more:
                    raise
                self._buffer, self._at = self._buffer[self._at :] + more, 0
            else:
                return value
