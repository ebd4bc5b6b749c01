"""Sees every script that Redis runs, in that order, and follows with the plain model of the contract.

Whatever was lost, repeated or late on its way: what a script did must be what the model says of the call that it
was for, as the trainer meant it; and what a replica answers what the model says of the script that it rests on.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from selector_api.store.chunks import decode_chunk
from tests.promises.course import Pool
from tests.promises.model import Model
from tests.promises.relatives import commit_every, dense_of
from tests.simulator.operations import (
    AddTasks,
    Fork,
    Retire,
)
from tests.simulator.replicas import Attempt
from tests.simulator.runs import Runs
from tests.simulator.watched import Watched

_GONE = (b"unknown-run", b"replaced")


class Witness(Runs):
    """The model beside Redis."""

    def kept(self) -> Any:
        """A copy of all that Redis has now."""
        return copy.deepcopy((self.tasks, self.retired, self.retirements, self.runs))

    def fall_back(self, kept: Any) -> None:
        """Redis has lost what came after this copy."""
        had, astray = self.tasks, {watched.incarnation for watched in self.runs.values() if watched.is_astray}
        self.tasks, self.retired, self.retirements, self.runs = kept
        self.former = {**self.tasks, **had, **self.former}
        self.lost |= self.former.keys() - self.tasks.keys()
        for watched in self.runs.values():  # a replica may have read what had come in the place of lost tasks
            waits = len(watched.model.course.tasks) > len(self.tasks)
            watched.is_astray |= waits and watched.incarnation in astray
        self.deletions += 1
        self.losses += 1

    # What Redis does

    def executed(
        self, script: str, keys: Sequence[str], args: Sequence[Any], reply: Any, attempt: Attempt | None
    ) -> None:
        """A script ran."""
        name = keys[0].partition("{")[2].partition(":")[2].removesuffix("}")
        self.key = keys[0]
        operation = None if attempt is None else attempt.operation
        if script in ("create", "pool_append", "pool_retire"):
            getattr(self, f"_{script}")(name, args, reply, operation, attempt)
            return
        watched = self.runs.get(name)
        if watched is None:
            assert reply in (0, -1) or script == "fork" or script.startswith("pool_") or reply[0] in _GONE, (
                script
            )
        elif isinstance(reply, list) and reply and reply[0] in _GONE:
            assert reply[0] == b"replaced", script
            assert args[0] != watched.incarnation or self.losses, script
        elif watched.is_astray and script != "delete":
            if attempt is not None:
                attempt.is_astray = True
        elif (follow := getattr(self, f"_{script}", None)) is not None:
            follow(name, watched, args, reply, operation, attempt)

    def _create(self, name: str, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt) -> None:
        incarnation, config = args[0], args[1]
        if name in self.runs:
            assert (reply[0] == b"created") == (incarnation == self.runs[name].incarnation)
        elif reply[0] == b"created":
            count = int(args[4])
            assert count <= len(self.tasks) or self.losses, "a run begins beyond its pool"
            if isinstance(operation, Fork) and not attempt.is_astray:
                assert isinstance(attempt.expected, Model)
                model = copy.deepcopy(attempt.expected)  # behind a loss it may be made once more
                model.pool.retired = set()
                assert len(model.course.tasks) == count
            else:
                model = self._model(json.loads(config))
            watched = self.runs[name] = Watched(incarnation, config, model, is_astray=attempt.is_astray)
            watched.has(count, self.tasks, self.former)

    def _pool_append(
        self, name: str, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        if reply[0] == b"ok":
            if isinstance(operation, AddTasks):
                sent = {task["id"]: task for task in operation.tasks}
            else:  # somebody had read them, and Redis lost them before a run heard of them
                chunks = [decode_chunk(chunk) for chunk in args[5:]]
                sent = {id_: self.former[id_] for _, rows in chunks for id_ in rows.ids.tolist()}
                assert sent.keys() <= self.lost, "tasks that nobody sends"
            new = {id_: task for id_, task in sent.items() if id_ not in self.tasks}
            self.tasks |= new
            assert (len(new), reply[1]) == (int(args[3]), len(self.tasks))
            for watched in self.runs.values():
                watched.has(len(watched.model.course.tasks), self.tasks, self.former)

    def _pool_retire(
        self, name: str, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Retire)
        if reply[0] == b"ok":
            tasks, excluded = set(operation.tasks), operation.kind == "excluded"
            self.retired = self.retired | tasks if excluded else self.retired - tasks
            self.retirements.append(self.retired)

    def _model(self, config: dict[str, Any]) -> Model:
        model = Model(Pool(), dense_of(config), config["share_leased"])
        model.commit_every = commit_every(config)
        return model
