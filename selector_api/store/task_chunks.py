"""What becomes of tasks that are sent to a pool: which are new, of which more was measured, and their chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable
from selector_api.store.codec import TaskRows, decode_chunk, encode_measured, encode_tasks
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


def with_chunks(table: TaskTable, chunks: Sequence[bytes]) -> TaskTable:
    """The table behind these further chunks."""
    joined = TaskRows([], [], [])
    for is_new, rows in map(decode_chunk, chunks):
        if is_new:
            joined = TaskRows(
                [*joined.ids, *rows.ids],
                [*joined.domains, *rows.domains],
                [*joined.references, *rows.references],
            )
        else:
            table = _joined(table, joined)
            joined = TaskRows([], [], [])
            table = table.measured(table.find(rows.ids), rows.references)
    return _joined(table, joined)


def prepared(table: TaskTable, rows: TaskRows) -> Prepared:
    """Check tasks, and write what is new of them.

    Raises:
        TaskConflict: an id is there, or twice in `rows`, with other values.
        TooManyReferences: the pool's tasks would have more than 64 references.
    """
    if len(set(table.reference_names).union(*rows.references)) > MAX_REFERENCES:
        raise TooManyReferences(MAX_REFERENCES)
    distinct = _merged(rows)
    found = table.find(distinct.ids)
    (known,) = np.nonzero(found >= 0)
    more = _measured(table, distinct.part(known.tolist()), found[known])
    new = distinct.part(np.flatnonzero(found < 0).tolist())
    new = TaskRows(new.ids, [domain or DEFAULT_DOMAIN for domain in new.domains], new.references)
    names = dict.fromkeys(name for references in more.references for name in references)
    chunks = [encode_tasks(part) for part in _parts(new)] + [encode_measured(part) for part in _parts(more)]
    return Prepared(len(new), len(more), list(names), chunks)


def _joined(table: TaskTable, rows: TaskRows) -> TaskTable:
    if not len(rows):
        return table
    domains = [domain or DEFAULT_DOMAIN for domain in rows.domains]
    return table.extended(rows.ids, domains, rows.references)


def _parts(rows: TaskRows) -> list[TaskRows]:
    starts = range(0, len(rows), _ROWS_A_CHUNK)
    return [rows.part(range(start, min(start + _ROWS_A_CHUNK, len(rows)))) for start in starts]


def _merged(rows: TaskRows) -> TaskRows:
    """The rows with each id once: what several rows of an id say must not contradict itself."""
    first: dict[str, int] = {}
    domains: list[str | None] = list(rows.domains)
    references = list(rows.references)
    for row, id_ in enumerate(rows.ids):
        earlier = first.setdefault(id_, row)
        if earlier == row:
            continue
        domain = domains[earlier] or domains[row]
        _refuse_other(id_, domain, references[earlier], domains[row], references[row])
        domains[earlier] = domain
        references[earlier] = {**references[earlier], **references[row]}
    return TaskRows(rows.ids, domains, references).part(list(first.values()))


def _measured(table: TaskTable, rows: TaskRows, tasks: IntArray) -> TaskRows:
    """Of these rows, whose tasks are in the table, those with references that were not there, and these alone."""
    stored = {name: table.reference(name)[tasks].tolist() for name in table.reference_names}
    codes: list[int] = table.domain_codes[tasks].tolist()
    ids: list[str] = []
    more: list[Mapping[str, float]] = []
    for row, id_ in enumerate(rows.ids):
        there = {name: rates[row] for name, rates in stored.items() if not isnan(rates[row])}
        sent = rows.references[row]
        _refuse_other(id_, table.domains[codes[row]], there, rows.domains[row], sent)
        added = {name: rate for name, rate in sent.items() if name not in there}
        if added:
            ids.append(id_)
            more.append(added)
    return TaskRows(ids, [None] * len(ids), more)


def _refuse_other(
    task: str,
    domain: str | None,
    references: Mapping[str, float],
    sent_domain: str | None,
    sent_references: Mapping[str, float],
) -> None:
    """Raise TaskConflict if what is sent of a task is other than what it has."""
    if sent_domain is not None and sent_domain != domain:
        raise TaskConflict(task, "domain", domain, sent_domain)
    for name, rate in sent_references.items():
        if references.get(name, rate) != rate:
            raise TaskConflict(task, f"references.{name}", references[name], rate)
