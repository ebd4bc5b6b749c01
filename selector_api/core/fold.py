"""The one transition: a run's state is the fold of its log.

    state' = fold(state, event, table)

Deterministic: no clock, no IO, no global random numbers. Events (`type`):

    created    starts the state: `config`, `tasks` (how many of the pool's tasks it begins with)
    grown      the pool's tasks up to `tasks` join
    selected   `tasks` are leased to a caller as `selection`
    committed  `outcomes` enter the posteriors; they close `selection` unless the `reason` is "late" (it was
               closed before) or "unsolicited" (there was none)
    released   `selection` is closed without evidence

What closes a selection is its `reason`: "complete" (all its tasks were reported), "final" (the trainer said so) or
"lease" (its time was over).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.config import RunConfig
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable

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
    elif kind == "released":
        _close(state, event)
        state.released += 1
    else:
        raise UnreadableLog(f"unknown event {kind!r}: use the release that wrote it, or a later one")
    return state


def fold_all(events: Iterable[Mapping[str, Any]], table: TaskTable) -> RunState:
    """The state after a whole log.

    Raises:
        UnreadableLog: see `fold`; also an empty log.
    """
    state = None
    for event in events:
        state = fold(state, event, table)
    if state is None:
        raise UnreadableLog("the log is empty")
    return state


def _select(state: RunState, event: Mapping[str, Any]) -> None:
    tasks = _indices(state, event["tasks"])
    state.leased[event["selection"]] = tasks
    state.selections += 1
    by_domain = state.config.policy.domains is not None
    state.history.record_selection(tasks, state.table.domain_codes[tasks].astype(np.int64), by_domain)


def _commit(state: RunState, event: Mapping[str, Any]) -> None:
    if event["reason"] not in ("late", "unsolicited"):
        _close(state, event)
        state.committed += 1
    outcomes = event["outcomes"]
    tasks = _indices(state, [outcome["task"] for outcome in outcomes])
    successes = np.array([outcome["successes"] for outcome in outcomes], np.float64)
    trials = np.array([outcome["trials"] for outcome in outcomes], np.float64)

    state.posterior.observe(tasks, successes, trials)
    state.step += 1
    state.last_commit_at = event.get("at")
    state.history.record_commit(tasks, state.step)
    state.recent.append(_effective(state, tasks, successes, trials))


def _close(state: RunState, event: Mapping[str, Any]) -> None:
    del state.leased[event["selection"]]
    if event["reason"] == "lease":
        state.timed_out += 1


def _indices(state: RunState, ids: Sequence[str]) -> IntArray:
    tasks = state.table.find(ids)
    if len(tasks) and not 0 <= tasks.min() <= tasks.max() < state.size:
        raise ValueError(
            "the event names a task that the run does not have: fold the log with its pool's table"
        )
    return tasks


def _effective(
    state: RunState, tasks: IntArray, successes: FloatArray, trials: FloatArray
) -> dict[int, tuple[int, int]]:
    domains = state.table.domain_codes[tasks]
    effective = (successes > 0) & (successes < trials)
    reported = {domain: domains == domain for domain in np.unique(domains).tolist()}
    return {domain: (int(effective[here].sum()), int(here.sum())) for domain, here in reported.items()}
