"""A run, followed with the plain model of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from selector_api.store.errors import CallError
from selector_api.store.kept_no_more import PastHorizon
from selector_api.store.keys import report_field, select_field
from selector_api.store.refusals import UnknownSelection
from tests.promises.model import Model
from tests.promises.pair import Task
from tests.simulator.operations import Handle, Select
from tests.simulator.replicas import Attempt


@dataclass
class Watched:
    """A run, and what it must be."""

    incarnation: str
    config: str
    model: Model
    handles: dict[str, Handle] = field(default_factory=dict)
    is_astray: bool = False
    """It was told of tasks that Redis then lost, and others came in their place: no more is said of it."""
    followed: int = 0
    """How often its pool had retired or restored tasks, as far as it knows."""

    forgotten: set[str] = field(default_factory=set)
    """Selections of which it keeps that they were."""
    forgotten_fields: set[str] = field(default_factory=set)
    """Idempotency fields of which it keeps that they were."""

    def has(self, count: int, pool: dict[str, Task], lost: dict[str, Task]) -> None:
        """It has the first `count` tasks of its pool; where Redis has lost some, it was told of so many."""
        model, had = self.model, len(self.model.course.tasks)
        told = dict(islice({**model.pool.tasks, **pool, **lost}.items(), count))
        assert len(told) == count, "a run grows beyond all tasks that there ever were"
        self.is_astray |= any(name != there for name, there in zip(told, pool, strict=False))
        model.pool.tasks = pool if len(pool) >= count else told
        if count > had:
            model.grow(list(told)[had:])

    def knows(self, handle: Handle) -> bool:
        """Whether a selection is one of this very run."""
        return self.handles.get(handle.id) == handle

    def missing(self, handle: Handle) -> type[CallError] | None:
        """How a call for a selection must be refused, if it is."""
        if self.knows(handle):
            return PastHorizon if handle.id in self.forgotten else None
        return UnknownSelection

    def refuses_key(self, operation: Any, attempt: Attempt) -> None:
        """It was said that a select's key is forgotten."""
        assert isinstance(operation, Select)
        assert operation.key is not None
        assert select_field(operation.key) in self.forgotten_fields, "a key that is not forgotten"
        attempt.expected = PastHorizon

    def forget(self, id_: str, field: str) -> None:
        """A selection and its idempotency field are forgotten, or the field of an outcome."""
        if id_ in self.model.selections:
            held = self.model.selections[id_]
            assert held.closed, "an open selection is forgotten"
            outcomes = {task for task, known in held.known.items() if known is not None}
            assert outcomes == held.entered, "outcomes are forgotten that wait"
            self.forgotten.add(id_)
            if held.key is not None and self.model.by_key[held.key] == id_:
                assert field == select_field(held.key)
                self.forgotten_fields.add(field)
        elif not id_:
            stand = self.model._without_selection.items()
            if field in {
                report_field(key, task, evaluation) for (key, evaluation), known in stand for task in known
            }:
                self.forgotten_fields.add(field)


@dataclass(frozen=True)
class Granted:
    """How a select must be answered."""

    handle: Handle
    replayed: bool
    status: str
    expires_at: int | None
    """None if that does not matter, since it has ended."""
