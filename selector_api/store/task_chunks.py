"""What becomes of tasks that are sent to a pool: which are new, of which more was measured, and their chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, HashArray, IntArray
from selector_api.core.task_rows import UNTOLD, TaskRows
from selector_api.core.tasks import TaskTable
from selector_api.store.chunks import decode_chunk, encode_measured, encode_tasks
from selector_api.store.codec import digest_of
from selector_api.store.refusals import TaskConflict, TooManyReferences

MAX_REFERENCES = 64
"""Names of references that a pool may have: each is a column over all its tasks."""
_ROWS_A_CHUNK = 50_000


@dataclass(frozen=True)
class Prepared:
    """Tasks that were checked against a pool's table."""

    inserted: int
    extended: int
    references: list[str]
    """Names that tasks which are there get."""
    chunks: list[bytes]
    last_digest: str
    """SHA-1 of the last chunk that the pool has with them."""


def with_chunks(table: TaskTable, chunks: Sequence[bytes]) -> TaskTable:
    """The table behind these further chunks."""
    for is_new, rows in map(decode_chunk, chunks):
        if is_new:
            table = table.extended(rows)
        else:
            table = table.measured(table.find_texts(rows.ids, rows.ids.hashes()), rows.references)
    return table


def prepared(table: TaskTable, rows: TaskRows, last_digest: str = "") -> Prepared:
    """Check tasks, and write what is new of them, behind the chunk with this digest, "" for the first.

    Raises:
        TaskConflict: an id is there, or twice in `rows`, with other values.
        TooManyReferences: the pool's tasks would have more than 64 references.
    """
    if len({*table.reference_names, *rows.references}) > MAX_REFERENCES:
        raise TooManyReferences(MAX_REFERENCES)
    rows, hashes = _merged(rows, rows.ids.hashes())
    found = table.find_texts(rows.ids, hashes)
    (known,) = np.nonzero(found >= 0)
    more = _measured(table, rows.take(known), found[known]) if len(known) else rows.take(known)
    new = rows.take(np.flatnonzero(found < 0)) if len(known) else rows
    names = [name for name, rates in more.references.items() if not np.isnan(rates).all()]
    more = TaskRows(more.ids, (), more.domain_codes, {name: more.references[name] for name in names})
    chunks: list[bytes] = []
    for encode, told in ((encode_tasks, new), (encode_measured, more)):
        for part in _parts(told):
            chunks.append(encode(part, last_digest))
            last_digest = digest_of(chunks[-1])
    return Prepared(len(new), len(more), names, chunks, last_digest)


def _parts(rows: TaskRows) -> list[TaskRows]:
    starts = range(0, len(rows), _ROWS_A_CHUNK)
    return [rows.slice(start, min(start + _ROWS_A_CHUNK, len(rows))) for start in starts]


def _merged(rows: TaskRows, hashes: HashArray) -> tuple[TaskRows, HashArray]:
    """The rows with each id once, and their hashes: what several rows of an id say must not contradict itself."""
    order = np.argsort(hashes)
    alike = hashes[order[1:]] == hashes[order[:-1]]
    # Those that share a hash with another, in their order; there may be none of an id that occurs twice.
    shared = np.sort(order[np.append(alike, False) | np.append(False, alike)])
    first: dict[str, int] = {}
    repeated: list[int] = []
    codes = rows.domain_codes
    references: dict[str, FloatArray] = dict(rows.references)
    for row, id_ in zip(shared.tolist(), rows.ids.at(shared), strict=True):
        earlier = first.setdefault(id_, row)
        if earlier == row:
            continue
        if not repeated:  # what was sent stays as it is: the refusal of another row may name it
            codes, references = codes.copy(), {name: rates.copy() for name, rates in references.items()}
        repeated.append(row)
        if codes[earlier] == UNTOLD:
            codes[earlier] = codes[row]
        elif codes[row] not in (UNTOLD, codes[earlier]):
            raise TaskConflict(id_, "domain", rows.domains[int(codes[earlier])], rows.domain(row))
        for name, rates in references.items():
            if np.isnan(rates[earlier]):
                rates[earlier] = rates[row]
            elif rates[row] == rates[row] and rates[row] != rates[earlier]:
                raise TaskConflict(id_, f"references.{name}", float(rates[earlier]), float(rates[row]))
    if not repeated:
        return rows, hashes
    once = np.delete(np.arange(len(rows)), repeated)
    return TaskRows(rows.ids, rows.domains, codes, references).take(once), hashes[once]


def _measured(table: TaskTable, rows: TaskRows, tasks: IntArray) -> TaskRows:
    """Of these rows, whose tasks are in the table, those with references that were not there, and these alone."""
    names = (*rows.domains, None)
    there = np.array([table.domains.index(name) if name in table.domains else -2 for name in names], np.int32)
    is_other = (rows.domain_codes != UNTOLD) & (there[rows.domain_codes] != table.domain_codes[tasks])
    differing = {"domain": is_other}
    added: dict[str, FloatArray] = {}
    for name, rates in rows.references.items():
        known = table.reference(name)[tasks] if name in table.reference_names else np.full(len(rows), np.nan)
        differing[f"references.{name}"] = ~np.isnan(known) & ~np.isnan(rates) & (known != rates)
        added[name] = np.where(np.isnan(known), rates, np.nan)
    _refuse_other(table, rows, tasks, differing)
    (more,) = np.nonzero(_any([~np.isnan(rates) for rates in added.values()], len(rows)))
    return TaskRows(rows.ids, (), np.full(len(rows), UNTOLD, np.int32), added).take(more)


def _refuse_other(
    table: TaskTable, rows: TaskRows, tasks: IntArray, differing: Mapping[str, BoolArray]
) -> None:
    """Raise TaskConflict if a row says of its task something other than the table."""
    (first,) = np.nonzero(_any(list(differing.values()), len(rows)))
    if not len(first):
        return
    row, task = int(first[0]), tasks[first[:1]]
    field = next(name for name, where in differing.items() if where[row])
    (id_,) = rows.ids.at(first[:1])
    if field == "domain":
        raise TaskConflict(id_, field, table.domains[table.domain_codes[task[0]]], rows.domain(row))
    name = field.removeprefix("references.")
    raise TaskConflict(id_, field, float(table.reference(name)[task[0]]), float(rows.references[name][row]))


def _any(conditions: Sequence[BoolArray], rows: int) -> BoolArray:
    """Where any of these holds."""
    return np.any(conditions, axis=0) if conditions else np.zeros(rows, np.bool_)
