"""The one transition: a run's state is the fold of its log.

    state' = fold(state, event, table)

Deterministic: no clock, no IO, no global random numbers. Events (`type`):

    created    starts the state: `config`, `tasks` (how many of the pool's tasks it begins with). Of a fork also its
               `parent`, and where in what follows its policy, its epochs and its shares begin: `policy_since`,
               `selections_before_epochs`, `selections_before_shares`
    grown      the pool's tasks up to `tasks` join, and what its first `chunks` parts tell is read
    selected   `tasks` are leased to a caller as `selection`, perhaps at a `policy_version`
    committed  `outcomes` (see `evidence`) enter the posteriors: `step` += 1. The selections it `closes` end; of
               the others, the tasks that it holds outcomes of are free again
    dropped    tasks of `selection` could not be scored: `drops` are pairs of a place and why. They are free again.
               `left_out`: they counted as dropped when it ended, and now it is known why
    released   `selection` ends without further evidence; `entered`: how many of its outcomes were committed before
    observed   `rows` inform the posteriors: an evaluation, which is no step
    configured the configuration changes: the fields that are otherwise from here on
    excluded   `tasks` are drawn no more, `by` the run or its pool; `included`: as far as they are concerned, again
    rewound    Redis lost events: a process had folded `known` of them and `found` fewer, or others

Why a commit or a release came is its `reason`: "complete" (all tasks of `selection` were reported or dropped),
"dropped" (all of them were), "final" (the trainer said so: what it left out counts as dropped), "lease" (its time
was over), "given-back", "count" (as many outcomes as a commit waits for had come), "late" (its selection was closed
before) or "unsolicited" (there was none). In version 1 nothing was dropped, and the reason told whether a commit
closes its `selection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from selector_api.core import reasons
from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.charting import chart, expected_of
from selector_api.core.config import RunChange, RunConfig
from selector_api.core.evidence import Evidence, Place
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from selector_api.core.visits import VisitKind

LOG_VERSION = 2
"""Version of the logs that this code begins; it stands in their `created` events. Older ones are read and go on.

1 (releases 0.1 and 0.2): the configuration has `implicit` beside its posterior.
"""


class UnreadableLog(ValueError):
    """The log holds something that this version does not know."""


def fold(state: RunState | None, event: Mapping[str, Any], table: TaskTable) -> RunState:
    """The state after `event`.

    Args:
        state: the state before it, None before the first event. It is used up: changed and returned.
        event: an event of the log, as above.
        table: the pool's tasks, at least as many as the event speaks of.

    Raises:
        UnreadableLog: an unknown event or version, or a log that does not begin with `created`.
        ValueError: the table or the run lacks tasks of the event.
    """
    kind = event["type"]
    if kind == "created":
        if event["version"] > LOG_VERSION:
            raise UnreadableLog(
                f"log version {event['version']} is not known here (this is version {LOG_VERSION}): "
                "use the release that wrote it, or a later one"
            )
        state = RunState.initial(RunConfig.from_dict(event["config"]))
        state.created_at = event.get("at")
        state.parent = event.get("parent")
        state.policy_since = event.get("policy_since", 0)
        state.selections_before_epochs = event.get("selections_before_epochs", 0)
        state.selections_before_shares = event.get("selections_before_shares", 0)
        state.grow(table, event["tasks"])
        return state
    if state is None:
        raise UnreadableLog(f"the log begins with {kind!r}, not with 'created'")
    if kind == "grown":
        state.grow(table, event["tasks"])
    elif kind == "selected":
        _select(state, event)
    elif kind == "committed":
        _commit(state, event)
    elif kind == "dropped":
        _drop(state, event)
    elif kind == "released":
        _close(state, event, event["selection"], bool(event.get("entered")))
    elif kind == "observed":
        _observe(state, event)
    elif kind == "configured":
        _configure(state, event)
    elif kind in ("excluded", "included"):
        move = state.withheld.excluded if kind == "excluded" else state.withheld.included
        state.withheld = move(event["by"], _indices(state, event["tasks"]))
        state.changes += 1
    elif kind == "rewound":
        state.rewinds += 1
        state.rewound = {name: event[name] for name in ("known", "found", "at")}
    else:
        raise UnreadableLog(f"unknown event {kind!r}: use the release that wrote it, or a later one")
    return state


def fold_on(state: RunState | None, events: Iterable[Mapping[str, Any]], table: TaskTable) -> RunState | None:
    """The state after further events; None: before the first.

    Raises:
        UnreadableLog: see `fold`.
    """
    for event in events:
        state = fold(state, event, table)
    return state


def evidence_of(state: RunState, event: Mapping[str, Any]) -> Evidence:
    """The outcomes of a `committed` event, which comes next in the log of this state."""
    return Evidence.of(event["outcomes"], partial(_at, state), state.versions.get)


def _select(state: RunState, event: Mapping[str, Any]) -> None:
    tasks = _indices(state, event["tasks"])
    selection, version = event["selection"], event.get("policy_version")
    state.handed[selection] = state.leased[selection] = tasks
    if version is not None:
        state.versions[selection] = version
        state.staleness.see(version)
    marginals = state.posterior.of_tasks(tasks)
    state.predicted[selection], state.predicted_sd[selection] = marginals.mean(), marginals.sd()
    if "expires_at" in event:
        state.expires[selection] = event["expires_at"]
    state.selections += 1
    state.history.record_selection(
        tasks,
        state.table.domain_codes[tasks].astype(np.int64),
        by_domain=state.config.policy.domains is not None,
        in_epoch=state.selections > state.selections_before_epochs,
        by_shares=state.selections > state.selections_before_shares,
    )


def _commit(state: RunState, event: Mapping[str, Any]) -> None:
    outcomes: dict[str, list[Any]] | list[Any] = event["outcomes"]
    evidence = evidence_of(state, event)
    closes = event.get("closes")
    if closes is None:  # version 1
        closes = [] if event["reason"] in ("late", "unsolicited") else [event["selection"]]
    parts = _parts(outcomes) if isinstance(outcomes, dict) else dict.fromkeys(closes, slice(None))
    expected = expected_of(state, evidence, parts)
    for selection, rows in parts.items():
        _free(state, selection, evidence.tasks[rows])
    for selection in closes:
        _close(state, event, selection, True)

    state.staleness.count(evidence.versions)
    tasks, successes, trials = evidence.by_task
    state.posterior.observe(tasks, successes, trials, evidence.behind(state.staleness.newest))
    state.step += 1
    state.last_commit_at = event.get("at")
    state.history.record_commit(tasks, state.step)
    state.history.tallies.count(tasks, successes, trials)
    state.history.streaks.see(tasks, successes, trials)
    state.recent.append(evidence.effective(state.table.domain_codes))
    _visit(state, event, "group", evidence, *expected)
    chart(state, evidence, *expected)


def _parts(outcomes: Mapping[str, Sequence[Any]]) -> dict[str, slice]:
    """Which rows of the evidence are those of each selection."""
    ends = np.cumsum([len(rows) for rows in outcomes.values()]).tolist()
    return {
        selection: slice(start, end)
        for selection, start, end in zip(outcomes, [0, *ends], ends, strict=False)
    }


def _visit(
    state: RunState,
    event: Mapping[str, Any],
    kind: VisitKind,
    evidence: Evidence,
    mean: FloatArray | float = np.nan,
    sd: FloatArray | float = np.nan,
) -> None:
    state.history.visits.record(
        kind,
        evidence.tasks,
        state.step,
        event.get("at"),
        mean=mean,
        sd=sd,
        successes=evidence.successes,
        trials=evidence.trials,
        informative=evidence.informative,
        version=np.array([-1 if each is None else each for each in evidence.versions], np.int64),
    )


def _configure(state: RunState, event: Mapping[str, Any]) -> None:
    fields = {name: value for name, value in event.items() if name not in ("seq", "type", "at")}
    change, former = RunChange.from_dict(fields), state.config.policy
    state.config = change.of(state.config)
    state.changes += 1
    if change.policy is not None:
        state.policy_since = state.step
        if change.policy.in_epochs != former.in_epochs:
            state.selections_before_epochs = state.selections
            state.history.go_in_epochs(change.policy.in_epochs)
        if change.policy.shares != former.shares:
            state.selections_before_shares = state.selections
            state.history.drawn_by_shares.clear()


def _observe(state: RunState, event: Mapping[str, Any]) -> None:
    evidence = Evidence.of(event["rows"], partial(_at, state))
    state.posterior.inform(*evidence.by_task, evidence.behind(state.staleness.newest))
    state.history.tallies.count(*evidence.by_task)
    _visit(state, event, "evaluation", evidence)
    state.evaluated += len(evidence.tasks)
    state.evaluated_informative += int(evidence.informative.sum())


def _drop(state: RunState, event: Mapping[str, Any]) -> None:
    selection, places = event["selection"], [place for place, _ in event["drops"]]
    why = [why for _, why in event["drops"]]
    if event.get("left_out"):
        reasons.explain(state.drops, why)
        return
    tasks = _at(state, selection, places)
    _free(state, selection, tasks)
    _count_drops(state, event, tasks, why)


def _count_drops(state: RunState, event: Mapping[str, Any], tasks: IntArray, why: Sequence[str]) -> None:
    state.history.tallies.drop(tasks, state.step)
    state.history.visits.record("drop", tasks, state.step, event.get("at"))
    state.dropped += len(tasks)
    reasons.count(state.drops, why)


def _free(state: RunState, selection: str, tasks: IntArray) -> None:
    """Let these tasks of a selection, if it is open, be drawn again."""
    if selection in state.leased:
        freed = set(tasks.tolist())
        left = [task for task in state.leased[selection].tolist() if task not in freed]
        state.leased[selection] = np.array(left, np.int64)


def _close(state: RunState, event: Mapping[str, Any], selection: str, has_evidence: bool) -> None:
    left_out = state.leased.pop(selection)
    del state.handed[selection], state.predicted[selection], state.predicted_sd[selection]
    state.versions.pop(selection, None)
    state.expires.pop(selection, None)
    if has_evidence:
        state.committed += 1
    else:
        state.released += 1
    reason = event["reason"] if selection == event["selection"] else None
    if reason == "lease":
        state.timed_out += 1
    is_version_1 = "closes" not in event and "entered" not in event
    if reason == "final" and not is_version_1 and len(left_out):
        _count_drops(state, event, left_out, [reasons.LEFT_OUT] * len(left_out))


def _at(state: RunState, selection: str, places: Sequence[Place]) -> IntArray:
    """The tasks at these places of a selection, or with these ids."""
    if all(isinstance(place, int) for place in places):
        return state.handed[selection][np.array(places, np.int64)]
    ids = [place for place in places if isinstance(place, str)]
    tasks = np.empty(len(places), np.int64)
    is_id = np.array([isinstance(place, str) for place in places])
    tasks[is_id] = _indices(state, ids)
    if len(ids) < len(places):
        numbers = [place for place in places if isinstance(place, int)]
        tasks[~is_id] = state.handed[selection][np.array(numbers, np.int64)]
    return tasks


def _indices(state: RunState, ids: Sequence[str]) -> IntArray:
    tasks = state.table.find(ids)
    if len(tasks) and not 0 <= tasks.min() <= tasks.max() < state.size:
        raise ValueError(
            "the event names a task that the run does not have: fold the log with its pool's table"
        )
    return tasks
