"""How events, chunks of tasks and snapshots are written in Redis.

Events are JSON objects, made here without those fields that only Redis knows: scripts join the pieces as
text. Chunks and snapshots begin with a line that names their format and version, and a checksum.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selector_api.store.errors import UnreadableData

_TASKS_FORMAT = b"bots-tasks 1\n"
_MEASURED_FORMAT = b"bots-measured 1\n"
_SNAPSHOT_FORMATS = {b"bots-snapshot 2\n": 2, b"bots-snapshot 1\n": 1}
"""The formats that are read, by version; the first is the one that is written."""
_SNAPSHOT_HEADER = "header"
_SNAPSHOT_ARRAY = "array:"


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def dumps(value: Any) -> str:
    """Compact JSON with sorted keys: equal values give equal text, and floats come back bit for bit.

    Raises:
        ValueError: a number is not finite.
    """
    return _encoder.encode(value)


def event_fields(fields: Mapping[str, Any]) -> str:
    """The fields as they stand inside an event, without the braces around them."""
    return dumps(fields)[1:-1]


def decode_events(lines: Sequence[bytes], first_seq: int) -> list[dict[str, Any]]:
    """The events of a stretch of the log, each with its `seq`."""
    return [{"seq": seq, **json.loads(line)} for seq, line in enumerate(lines, first_seq)]


def numbered_line(line: bytes, seq: int) -> bytes:
    """An event of the log as a line of NDJSON, with its `seq` as the first field."""
    return b'{"seq":%d,%s\n' % (seq, line[1:])


@dataclass(frozen=True)
class Outcome:
    """What was seen of one task: `successes` (0 to `trials`, may be fractional) of `trials` (> 0)."""

    task: str
    successes: float
    trials: int
    informative: bool | None = None
    """Whether its rewards were not all equal; None: as successes out of trials tell."""
    policy_version: int | None = None
    """The trainer's number of the weights that made it."""

    def to_text(self) -> str:
        """The outcome as it stands in a row of an event, behind its place. Equal ones give equal text."""
        successes = float(self.successes)
        values = f"{int(successes) if successes.is_integer() else dumps(successes)},{self.trials}"
        more: dict[str, Any] = {}
        if self.informative is not None and self.informative != (0 < successes < self.trials):
            more["informative"] = self.informative
        if self.policy_version is not None:
            more["policy_version"] = self.policy_version
        return f"{values},{dumps(more)}" if more else values


@dataclass(frozen=True)
class Drop:
    """A task that was handed out and could not be scored."""

    task: str
    why: str

    def to_text(self) -> str:
        """The reason as it stands in a row of an event, behind its place: a JSON string."""
        return dumps(self.why)


@dataclass(frozen=True)
class TaskRows:
    """Tasks in columns of equal length."""

    ids: Sequence[str]
    domains: Sequence[str | None]
    """None where a task that is there already was named without one."""
    references: Sequence[Mapping[str, float]]
    """Of each task the pass rates that were measured, by reference."""

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, rows: Sequence[int]) -> TaskRows:
        """These rows alone."""
        return TaskRows(
            [self.ids[row] for row in rows],
            [self.domains[row] for row in rows],
            [self.references[row] for row in rows],
        )


def encode_tasks(rows: TaskRows) -> bytes:
    """A chunk of tasks: zlib-compressed JSON columns, null where a reference was not measured."""
    columns = {"domains": list(rows.domains), **_columns(rows)}
    return _sealed(_TASKS_FORMAT, zlib.compress(dumps(columns).encode()))


def encode_measured(rows: TaskRows) -> bytes:
    """A chunk of references that were measured of tasks which are there; the domains are left out."""
    return _sealed(_MEASURED_FORMAT, zlib.compress(dumps(_columns(rows)).encode()))


def _columns(rows: TaskRows) -> dict[str, Any]:
    names = dict.fromkeys(name for references in rows.references for name in references)
    return {
        "ids": list(rows.ids),
        "references": {name: [references.get(name) for references in rows.references] for name in names},
    }


def decode_chunk(chunk: bytes) -> tuple[bool, TaskRows]:
    """Whether a chunk is of tasks that joined, else of references measured later; and its rows.

    Raises:
        UnreadableData: the chunk is damaged or of an unknown version.
    """
    formats = [_TASKS_FORMAT, _MEASURED_FORMAT]
    format_line, packed = _unsealed(chunk, formats, "chunk of tasks")
    columns = json.loads(zlib.decompress(packed))
    ids = columns["ids"]
    rows: list[dict[str, float]] = [{} for _ in ids]
    for name, rates in columns["references"].items():
        for row, rate in zip(rows, rates, strict=True):
            if rate is not None:
                row[name] = rate
    joined = format_line == _TASKS_FORMAT
    return joined, TaskRows(ids, columns["domains"] if joined else [None] * len(ids), rows)


def encode_snapshot(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A snapshot: a JSON-able header and numpy arrays (numbers only), as a compressed npz file."""
    content: dict[str, Any] = {_SNAPSHOT_ARRAY + name: array for name, array in arrays.items()}
    content[_SNAPSHOT_HEADER] = np.frombuffer(dumps(header).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **content)
    return _sealed(next(iter(_SNAPSHOT_FORMATS)), file.getvalue())


def decode_snapshot(data: bytes) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
    """The version of the format, and what `encode_snapshot` was given.

    Raises:
        UnreadableData: the snapshot is damaged or of an unknown version.
    """
    format_line, packed = _unsealed(data, list(_SNAPSHOT_FORMATS), "snapshot")
    with np.load(io.BytesIO(packed), allow_pickle=False) as content:
        header = json.loads(content[_SNAPSHOT_HEADER].tobytes())
        arrays = {
            name.removeprefix(_SNAPSHOT_ARRAY): content[name]
            for name in content.files
            if name != _SNAPSHOT_HEADER
        }
    return _SNAPSHOT_FORMATS[format_line], header, arrays


def _sealed(format_line: bytes, content: bytes) -> bytes:
    return format_line + zlib.crc32(content).to_bytes(4) + content


def _unsealed(data: bytes, formats: Sequence[bytes], what: str) -> tuple[bytes, bytes]:
    """The format of what was sealed, one of these, of which the first is today's; and its content."""
    for format_line in formats:
        if data.startswith(format_line):
            checksum, content = data[len(format_line) :][:4], data[len(format_line) + 4 :]
            if checksum != zlib.crc32(content).to_bytes(4):
                raise UnreadableData(f"a {what} is damaged: restore Redis from a backup")
            return format_line, content
    found, today = data[:40].partition(b"\n")[0], formats[0].strip()
    raise UnreadableData(
        f"a {what} of format {found!r} is not known here (this is {today!r}): "
        "use the release that wrote it, or a later one"
    )
