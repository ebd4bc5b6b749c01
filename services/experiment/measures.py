"""What is measured of one finished training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

import numpy as np

from services.experiment.statistics import Curve, FloatArray, Forecasts
from services.trainer.records import Records, StepRecord, TaskRecord

Unit = Literal["steps", "rollouts", "tokens", "seconds"]


@dataclass(frozen=True)
class Measures:
    """Figures of the records of one training, which has evaluated before its first and after its last step.

    Attributes:
        prompts: How many groups a step trains on.
        pool_size: How many tasks it could select.
    """

    records: Records
    prompts: int
    pool_size: int

    @property
    def steps(self) -> int:
        """How many steps it took."""
        return len(self.records.steps)

    @cached_property
    def etr(self) -> FloatArray:
        """Effective task ratio of each step."""
        return np.array([effective_task_ratio(step) for step in self.records.steps])

    @property
    def informative_share(self) -> float:
        """Share of the trained groups that were informative; a filter trains on those it found, up to `prompts`."""
        found = [sum(task.effective for task in _reported(step)) for step in self.records.steps]
        return sum(min(groups, self.prompts) for groups in found) / (self.prompts * self.steps)

    @property
    def never_selected(self) -> float:
        """Share of the pool's tasks that were never rolled out."""
        seen = {task.task for step in self.records.steps for task in _reported(step)}
        return 1 - len(seen) / self.pool_size

    @property
    def rollouts(self) -> int:
        """All rollouts of training."""
        return sum(step.rollouts for step in self.records.steps)

    @property
    def tokens(self) -> int:
        """Tokens of all rollouts."""
        return sum(step.rollout_tokens for step in self.records.steps)

    @cached_property
    def accuracy_by(self) -> dict[Unit, Curve]:
        """Held-out accuracy against what the training had cost by then."""
        costs: dict[Unit, Sequence[float]] = {
            "steps": [1 for _ in self.records.steps],
            "rollouts": [step.rollouts for step in self.records.steps],
            "tokens": [step.rollout_tokens for step in self.records.steps],
            "seconds": [step.seconds for step in self.records.steps],
        }
        curves: dict[Unit, Curve] = {}
        for unit, each in costs.items():
            spent: list[float] = list(accumulate(each, initial=0))
            curves[unit] = [(spent[seen.step], seen.accuracy) for seen in self.records.evaluations]
        return curves

    @property
    def start_accuracy(self) -> float:
        """Held-out accuracy before training."""
        return self.records.evaluations[0].accuracy

    @property
    def final_accuracy(self) -> float:
        """Held-out accuracy at the end."""
        return self.records.evaluations[-1].accuracy

    @property
    def late_accuracy(self) -> float:
        """Mean held-out accuracy of the evaluations in the last third of training: less noisy than the last one."""
        late = [seen.accuracy for seen in self.records.evaluations if 3 * seen.step >= 2 * self.steps]
        return sum(late) / len(late)

    @property
    def step_seconds(self) -> float:
        """Mean time of a step."""
        return sum(step.seconds for step in self.records.steps) / self.steps

    @property
    def selector_share(self) -> float:
        """Share of the steps' time that was spent in select and report."""
        return sum(step.selector_seconds for step in self.records.steps) / (self.step_seconds * self.steps)

    @property
    def fallbacks(self) -> int:
        """Selections that the client drew by itself, uniformly, while the service was away."""
        return sum(selection.fallback for step in self.records.steps for selection in step.selections)

    @cached_property
    def forecasts(self) -> Forecasts:
        """The posterior mean at selection and the pass rate of every task that has both."""
        known = [
            (task.mean, task.successes / task.trials, task.trials)
            for step in self.records.steps
            for task in _reported(step)
            if task.mean is not None
        ]
        means, rates, trials = np.array(known, dtype=np.float64).reshape(-1, 3).T
        return Forecasts(means, rates, trials)


def effective_task_ratio(step: StepRecord) -> float:
    """Share of the step's reported tasks whose pass rate was strictly between 0 and 1; 0 if there are none."""
    tasks = _reported(step)
    effective = sum(task.effective for task in tasks)
    return effective / len(tasks) if tasks else 0.0


def _reported(step: StepRecord) -> list[TaskRecord]:
    return [task for selection in step.selections for task in selection.tasks if task.trials > 0]
