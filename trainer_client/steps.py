"""What every trainer's adapter needs: a selection before a step's rollouts, a report after them.

    steps = TrainingSteps(selector, is_main=rank == 0, broadcast=broadcast)
    selection = steps.select(step, batch_size=32)           # on every rank
    rewards = roll_out(selection.tasks)
    if rank == 0:
        steps.report(selection, grouped(selection.tasks, rewards))

A framework's adapter (`integrations/`, a file each) says where its step begins and where its rewards are; the rest
is here. Nothing here imports a framework.
"""

import math
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from trainer_client.client import SelectorClient
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Outcomes, outcome_list

T = TypeVar("T")

Reward = float | None
"""Of one rollout, in [0, 1]; None or NaN if it was not scored."""


def grouped(tasks: Iterable[str], groups: Iterable[Iterable[Reward]]) -> dict[str, list[float]]:
    """The scored rewards of each task, for `report`, where the rollouts of one task stand side by side.

    Args:
        tasks: a selection's tasks, each once.
        groups: as long as `tasks`: the rewards of each task's rollouts.

    Returns:
        The rewards by task. A task without any scored rollout is left out: nothing is known of it.

    Raises:
        ValueError: `tasks` and `groups` differ in length.
    """
    scored = {task: _scored(group) for task, group in zip(tasks, groups, strict=True)}
    return {task: rewards for task, rewards in scored.items() if rewards}


def grouped_by_rollout(tasks: Iterable[str], rewards: Iterable[Reward]) -> dict[str, list[float]]:
    """The scored rewards of each task, for `report`, where each rollout is a row, in any order.

    Args:
        tasks: the task of each rollout.
        rewards: as long as `tasks`: the reward of each rollout.

    Returns:
        The rewards by task. A task without any scored rollout is left out: nothing is known of it.

    Raises:
        ValueError: `tasks` and `rewards` differ in length.
    """
    groups: dict[str, list[Reward]] = {}
    for task, reward in zip(tasks, rewards, strict=True):
        groups.setdefault(task, []).append(reward)
    return grouped(groups, groups.values())


def _scored(rewards: Iterable[Reward]) -> list[float]:
    return [reward for reward in rewards if reward is not None and not math.isnan(reward)]


def effective_task_ratio(outcomes: Outcomes) -> float | None:
    """The share of tasks whose rewards were not all equal; None if there are no tasks."""
    seen = outcome_list(outcomes)
    if not seen:
        return None
    return sum(outcome.informative for outcome in seen) / len(seen)


class StepKeys:
    """The keys of a training's selections: a job that dies and resumes makes the same ones again.

    A key names a step and which of the step's selections it is. The same key again gets the same tasks. So a
    step's number must be one that a checkpoint brings back, and that never comes again but by a resume: batches
    drawn since the training began, not the position within an epoch.
    """

    def __init__(self) -> None:
        self._step, self._selections = -1, 0

    def next(self, step: int) -> str:
        """The key of the next selection in this step: "step-7.0", then "step-7.1"."""
        self._selections = self._selections + 1 if step == self._step else 0
        self._step = step
        return f"step-{step}.{self._selections}"


def asked_once(
    ask: Callable[[], T], *, is_main: bool, broadcast: Callable[[T | None], T | None], what: str
) -> T:
    """One rank asks and all hear. Every rank calls this.

    Args:
        ask: called on the main rank alone.
        is_main: whether this is the main rank.
        broadcast: hands the main rank's argument to every rank, which gets it returned. It is called also if `ask`
            fails, with None, because the others wait for it.
        what: what is asked for, for the error.

    Returns:
        The main rank's answer.

    Raises:
        RuntimeError: on the other ranks, if the main one failed. On the main rank its own error is raised.
    """
    answer: T | None = None
    try:
        if is_main:
            answer = ask()
    finally:
        heard = broadcast(answer)
    if heard is None:
        raise RuntimeError(f"the main rank got no {what}; its own error says why")
    return heard


def _alone(selection: Selection | None) -> Selection | None:
    return selection


def _unmeasured(name: str, value: float) -> None:
    pass


class TrainingSteps:
    """The selector's part in a training's steps, on each of its ranks.

    Select and report as often in a step as it generates. Only the main rank talks to the service.

    Args:
        selector: a client with a run; used on the main rank alone.
        explain: whether selections are to say why each task was chosen.
        is_main: whether this is the rank that asks and reports.
        broadcast: hands the main rank's selection, or None, to every rank; see `asked_once`. Not needed where
            there is one rank.
        measure: gets the figures of the main rank as they arise, for the framework's log: `select_ms` and
            `report_ms`, the milliseconds that the calls took, and `etr`, see `effective_task_ratio`.
    """

    def __init__(
        self,
        selector: SelectorClient,
        *,
        explain: bool = False,
        is_main: bool = True,
        broadcast: Callable[[Selection | None], Selection | None] = _alone,
        measure: Callable[[str, float], None] = _unmeasured,
    ):
        self.is_main = is_main
        self._selector = selector
        self._explain = explain
        self._broadcast = broadcast
        self._measure = measure
        self._keys = StepKeys()

    def select(self, step: int, batch_size: int) -> Selection:
        """The next selection of this step, on every rank the same. Every rank calls this.

        Args:
            step: see `StepKeys`.
            batch_size: how many tasks.

        Raises:
            SelectorError: on the main rank, as `SelectorClient.select`.
            RuntimeError: on the others, if the main one failed.
        """
        key = self._keys.next(step)

        def ask() -> Selection:
            start = time.perf_counter()
            selection = self._selector.select(batch_size, key=key, explain=self._explain)
            self._measure("select_ms", _ms_since(start))
            return selection

        return asked_once(ask, is_main=self.is_main, broadcast=self._broadcast, what="selection")

    def report(self, selection: Selection, outcomes: Outcomes, *, final: bool = True) -> Receipt:
        """Tell what came of a selection, before any filter of groups; without more to say, that ends it.

        The main rank calls this.

        Args:
            selection: what `select` gave.
            outcomes: as `grouped` gives them, or as `SelectorClient.report` takes them. May be empty if `final`.
            final: whether nothing more will come of it; False for a part.

        Raises:
            SelectorError: as `SelectorClient.report`.
            ValueError: likewise.
        """
        seen = outcome_list(outcomes)
        start = time.perf_counter()
        receipt = self._selector.report(selection, seen, final=final)
        self._measure("report_ms", _ms_since(start))
        ratio = effective_task_ratio(seen)
        if ratio is not None:
            self._measure("etr", ratio)
        return receipt


def _ms_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
