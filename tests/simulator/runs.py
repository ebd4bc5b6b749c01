"""What the scripts of runs do, followed with the plain model of the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from selector_api.store.kept_no_more import PastHorizon
from selector_api.store.keys import report_field
from selector_api.store.refusals import KeyConflict, SelectionClosed, TaskNotInSelection
from tests.promises.model import Model
from tests.promises.pair import Task
from tests.promises.relatives import commit_every, dense_of
from tests.simulator.operations import (
    Exclude,
    Fork,
    Handle,
    Patch,
    Read,
    Release,
    Renew,
    Report,
    ReportWithout,
    Select,
)
from tests.simulator.replicas import MOST_EXPIRED, Attempt, Clock
from tests.simulator.watched import Granted, Watched


class Runs:
    """The runs that there are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.key = ""
        """The first that the script which runs was given."""
        self.tasks: dict[str, Task] = {}
        self.former: dict[str, Task] = {}
        """These, and behind them those that Redis has lost."""
        self.lost: set[str] = set()
        """The tasks that Redis has lost, whether or not they have come again."""
        self.retired: set[str] = set()
        self.retirements: list[set[str]] = [set()]
        """What was retired at first, and after each change of it."""
        self.runs: dict[str, Watched] = {}
        self.deletions = 0
        """How often a run was deleted, or may have been lost."""
        self.losses = 0
        self._made: dict[tuple[Any, ...], int] = {}

    @property
    def _now(self) -> int:
        """Unix ms in the log of the run whose script runs."""
        return self._clock.of(self.key)

    def _due(self, watched: Watched) -> None:
        held, now = watched.model.selections, self._now
        due = [name for name in watched.model.open if int(held[name].expires_at) <= now]
        for name in sorted(due, key=lambda name: (held[name].expires_at, name))[:MOST_EXPIRED]:
            watched.model.close(name)

    def _sync(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert args[0] == watched.incarnation, "a run that took the name is read as the one before"
        self._due(watched)
        if reply[0] == b"past-horizon":
            watched.refuses_key(operation, attempt)
            return
        model = watched.model
        match operation:
            case Read() if operation.run == name:
                attempt.expected = model.view()
            case Fork() if operation.parent == name and not any(reply[-2:]):  # it has read all that there is
                attempt.expected = self._forked(operation, model)
            case Select():
                self._look_up(watched, reply[2], operation, attempt)

    def _look_up(self, watched: Watched, replay: Any, operation: Select, attempt: Attempt) -> None:
        """A replica asks what there is, and if the key is known."""
        model = watched.model
        id_ = model.by_key.get(operation.key) if operation.key is not None else None
        if id_ is None:
            assert not replay, "a key that was never used"
            attempt.expected = len(model.free)
            return
        held = model.selections[id_]
        assert replay, "a key that was used is not known"
        event, status, _ = replay
        assert (json.loads(event)["selection"], status.decode()) == (id_, held.status)
        if held.batch_size == operation.batch_size:
            until = None if held.closed else int(held.expires_at)
            attempt.expected = Granted(watched.handles[id_], True, held.status, until)
        else:
            attempt.expected = len(model.free) if held.status == "released" else KeyConflict

    def _select(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Select)
        assert args[0] == watched.incarnation
        if reply[0] == b"past-horizon":
            watched.refuses_key(operation, attempt)
        if reply[0] != b"made":
            return
        event, model, key = json.loads(reply[1]), watched.model, operation.key
        if event["selection"] in model.selections:  # a command without a key that is executed again
            assert key is None, "a second answer that is a first one"
            return
        if key in model.by_key:
            former = model.selections[model.by_key[key]]
            assert former.status == "released", "a second selection of one key"
            assert former.batch_size != operation.batch_size, "a second selection of one key"
        assert event["key"] == key
        seconds = operation.lease_seconds or json.loads(watched.config)["lease_seconds"]
        now = self._now
        assert (event["at"], event["expires_at"]) == (now, now + round(seconds * 1000))
        model.hand_out(operation.batch_size, key, {**event, "replayed": False, "status": "open"})
        id_, tasks = event["selection"], tuple(event["tasks"])
        # The same command again, behind a loss, makes the same selection again.
        number = self._made.setdefault((name, *args), len(self._made))
        handle = watched.handles[id_] = Handle(name, watched.incarnation, id_, tasks, number)
        attempt.expected = Granted(handle, False, "open", event["expires_at"])

    def _report(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Report)
        if (missing := watched.missing(operation.selection)) is not None:
            attempt.expected = missing
        elif not {row.task for row in operation.rows} <= set(operation.selection.tasks):
            attempt.expected = TaskNotInSelection
        else:
            self._due(watched)
            rows, final = operation.rows, operation.final
            attempt.expected = watched.model.report(operation.selection.id, rows, final)
        if reply[0] == b"ok":
            assert isinstance(attempt.expected, dict), "a report is taken that is of nothing that there is"

    def _report_unsolicited(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, ReportWithout)
        fields = {report_field(operation.key, row.task, operation.evaluation) for row in operation.rows}
        if fields & watched.forgotten_fields:
            attempt.expected = PastHorizon
            return
        self._due(watched)
        attempt.expected = watched.model.report_without_selection(
            operation.key, operation.rows, operation.evaluation
        )

    def _renew(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Renew)
        self._due(watched)
        if (missing := watched.missing(operation.selection)) is not None:
            attempt.expected = missing
            return
        held = watched.model.selections[operation.selection.id]
        if held.closed:
            attempt.expected = SelectionClosed
            return
        until = self._now + operation.milliseconds
        held.expires_at = until
        attempt.expected = ("open", until)

    def _release(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Release)
        self._due(watched)
        if (missing := watched.missing(operation.selection)) is not None:
            attempt.expected = missing
            return
        watched.model.close(operation.selection.id)
        attempt.expected = (watched.model.selections[operation.selection.id].status, None)

    def _forget(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        if reply:
            for id_, of in zip(args[1::2], args[2::2], strict=True):
                watched.forget(id_, of)

    def _exclude(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Exclude)
        if reply[0] == b"ok":
            watched.model.exclude(operation.tasks, operation.kind == "excluded")

    def _retire(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        if reply:
            events = args[5 + int(args[4]) :]
            for kind, fields in zip(events[::2], events[1::2], strict=True):
                tasks = set(json.loads("{" + fields + "}")["tasks"])
                pool = watched.model.pool
                pool.retired = pool.retired | tasks if kind == "excluded" else pool.retired - tasks
            followed = int(args[3].partition(":")[0])
            if not self.losses:
                assert followed >= watched.followed, "a run follows its pool backwards"
                assert watched.model.pool.retired == self.retirements[followed], (
                    "a run follows its pool astray"
                )
            watched.followed = followed

    def _grow(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        had, count = len(watched.model.course.tasks), int(args[1])
        assert count <= len(self.tasks) or self.losses, "a run grows beyond its pool"
        assert (count > had) <= bool(reply), "a pool that grew, and its run does not"
        watched.has(max(had, count), self.tasks, self.former)

    def _configure(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert isinstance(operation, Patch)
        _, before, after, *_ = args
        if reply[0] != b"ok" or watched.config == after:
            return
        assert watched.config == (before.decode() if isinstance(before, bytes) else before)
        former, config = json.loads(watched.config), json.loads(after)
        watched.config = after
        watched.model.share_leased = config["share_leased"]
        if former["commit"] != config["commit"]:
            watched.model.commit_from_now_on(commit_every(config))

    def _rewound(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        assert reply == -1 or self.losses, "a loss is noted where nothing was lost"

    def _delete(
        self, name: str, watched: Watched, args: Sequence[Any], reply: Any, operation: Any, attempt: Attempt
    ) -> None:
        if reply:
            assert args[0] == watched.incarnation
            del self.runs[name]
            self.deletions += 1

    def _forked(self, operation: Fork, parent: Model) -> Model | None:
        if operation.step is not None and parent.course.step < operation.step:
            return None
        config = operation.config
        model = parent.forked(operation.parent, operation.step, dense_of(config))
        model.share_leased, model.commit_every = config.get("share_leased", False), commit_every(config)
        return model
