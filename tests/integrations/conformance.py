"""What every adapter of a trainer must do, judged by the log that the service kept of a training.

A test trains with the framework's own loop, whose generation is stood in by `rewards_of`, writes down with `note`
what was rolled out in each step, and calls `check` with the run's events.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]

Batch = Mapping[str, Sequence[float] | None]
"""What was rolled out of a selection, in most frameworks in a step: the rewards of each task's rollouts; None if it
could not be scored."""


@dataclass(frozen=True)
class Adapter:
    """What an adapter says of itself.

    Args:
        look_ahead: how many batches its framework draws before the oldest is reported.
        lost: how many selections the kills of this test cost. An adapter whose framework saves before it reports
            loses one if it is killed between the two.
        tells_drops: whether the framework tells it of tasks that could not be scored, so that they are reported
            with a reason.
    """

    look_ahead: int = 0
    lost: int = 0
    tells_drops: bool = True


def rewards_of(task: str, rollouts: int, *, drops: bool = False) -> list[float] | None:
    """The rewards of a task's rollouts, always the same: a third of the tasks have no variance.

    With `drops` one in eight cannot be scored.
    """
    number = int.from_bytes(sha256(task.encode()).digest()[:4], "big")
    if drops and number % 8 == 7:
        return None
    passes = number % 3 * (rollouts // 2)
    return [1.0] * min(passes, rollouts) + [0.0] * (rollouts - min(passes, rollouts))


def note(file: Path, step: int, batch: Batch, job: str = "") -> None:
    """Write down what was rolled out in a step, or a part of it.

    A step that another job does again, after the first one died, replaces what it was.
    """
    with file.open("a") as lines:
        lines.write(json.dumps({"job": job, "step": step, "batch": batch}) + "\n")


def noted(file: Path) -> list[Batch]:
    """What was rolled out, step by step."""
    steps: dict[int, tuple[str, dict[str, Sequence[float] | None]]] = {}
    for line in map(json.loads, file.read_text().splitlines()):
        job, batch = steps.get(line["step"], ("", {}))
        steps[line["step"]] = line["job"], (batch if job == line["job"] else {}) | line["batch"]
    return [steps[step][1] for step in sorted(steps)]


def check(adapter: Adapter, events: Sequence[Event], batches: Sequence[Batch]) -> None:
    """All that follows.

    Args:
        adapter: whose log it is.
        events: of the run that the training ended in; rewards are from 0 to 1.
        batches: what was rolled out in it, in the order of the selections, before any filter of groups.
    """
    check_keys(adapter, events, batches)
    check_order(adapter, events)
    check_apart(events, batches)
    check_groups(events, batches)
    check_drops(adapter, events, batches)
    check_ends(adapter, events)


def check_keys(adapter: Adapter, events: Iterable[Event], batches: Sequence[Batch]) -> None:
    """Each batch has a selection of its own: a key that comes again would hand out the one that was."""
    selections = [event for event in events if event["type"] == "selected"]
    keys = [event["key"] for event in selections]
    assert None not in keys, "a selection without a key is lost if its answer is"
    assert len(keys) == len(set(keys))
    more = len(selections) - len(batches)
    assert 0 <= more <= adapter.lost, (
        f"{len(batches)} batches were rolled out, but {len(selections)} selected: a key came again, or a batch "
        "was drawn that nobody rolled out"
    )


def check_order(adapter: Adapter, events: Iterable[Event]) -> None:
    """No more selections wait for a report at a time than the framework looks ahead."""
    waiting: list[str] = []
    for event in events:
        if event["type"] == "selected":
            waiting.append(event["selection"])
            assert len(waiting) <= adapter.look_ahead + 1, f"{waiting} all wait for a report"
        for selection in _ended(event):
            waiting.remove(selection)


def check_apart(events: Iterable[Event], batches: Iterable[Batch]) -> None:
    """Groups of one task that are of two selections count each: who tells rewards by task makes one of them.

    Both are rolled out in one step where a step has several selections that share leased tasks, or of which one was
    drawn while the service was away.
    """
    groups = {(task, len(rewards)) for batch in batches for task, rewards in batch.items() if rewards}
    others = [(task, trials) for task, _, trials in _counted(events) if (task, trials) not in groups]
    assert not others, f"task and rollouts of outcomes that are those of no group: {others}"


def check_groups(events: Sequence[Event], batches: Sequence[Batch]) -> None:
    """Every group that was rolled out counts, and counts once; one that was filtered away, too."""
    rolled_out = Counter(
        (task, sum(rewards), len(rewards)) for batch in batches for task, rewards in batch.items() if rewards
    )
    counted = Counter(_counted(events))
    assert not rolled_out - counted, f"rolled out, but not counted: {rolled_out - counted}"
    assert not counted - rolled_out, f"counted, but not or less often rolled out: {counted - rolled_out}"


def check_drops(adapter: Adapter, events: Sequence[Event], batches: Sequence[Batch]) -> None:
    """Every task that could not be scored was reported as dropped, if the framework tells of it."""
    if not adapter.tells_drops:
        return
    tasks = _tasks(events)
    unscored = Counter(task for batch in batches for task, rewards in batch.items() if not rewards)
    dropped = Counter(
        tasks[event["selection"]][place]
        for event in events
        if event["type"] == "dropped"
        for place, _ in event["drops"]
    )
    assert unscored == dropped, f"could not be scored: {unscored}; reported as dropped: {dropped}"


def check_ends(adapter: Adapter, events: Sequence[Event]) -> None:
    """No selection was left open, or ended without a report."""
    ended = [selection for event in events for selection in _ended(event)]
    left = _tasks(events).keys() - set(ended)
    assert not left, f"still open: {left}"
    released = [event["selection"] for event in events if event["type"] == "released"]
    assert len(released) <= adapter.lost, f"nothing was reported of {released}"


def _ended(event: Event) -> list[str]:
    """The selections that end with this event."""
    if event["type"] == "committed":
        return event["closes"]
    return [event["selection"]] if event["type"] == "released" else []


def _tasks(events: Iterable[Event]) -> dict[str, list[str]]:
    """The tasks of each selection."""
    return {event["selection"]: event["tasks"] for event in events if event["type"] == "selected"}


def _counted(events: Iterable[Event]) -> Iterable[tuple[str, float, int]]:
    """Task, successes and trials of each outcome that entered the posteriors."""
    tasks = _tasks(events)
    for event in events:
        if event["type"] != "committed":
            continue
        outcomes = event["outcomes"]
        if isinstance(outcomes, list):  # of tasks that were drawn while the service was away
            yield from ((task, successes, trials) for task, successes, trials, *_ in outcomes)
            continue
        for selection, rows in outcomes.items():
            for place, successes, trials, *_ in rows:
                yield tasks[selection][place], successes, trials
