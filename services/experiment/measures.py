"""What is measured of one finished training."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from services.experiment.statistics import Curve, FloatArray, Forecasts
from services.trainer.records import Records, StepRecord, TaskRecord


@dataclass(frozen=True)
class Measures:
    """Figures of the records of one training, which has evaluated before its first and after its last step."""

    records: Records

    @property
    def steps(self) -> int:
        """How many steps it took."""
        return len(self.records.steps)

    @cached_property
    def etr(self) -> FloatArray:
        """Effective task ratio of each step."""
        return np.array([effective_task_ratio(step) for step in self.records.steps])

    @cached_property
    def tokens_by_step(self) -> list[int]:
        """Rollout tokens up to and with each step; the first entry stands for step 0."""
        return list(accumulate((step.rollout_tokens for step in self.records.steps), initial=0))

    @property
    def tokens(self) -> int:
        """Tokens of all rollouts."""
        return self.tokens_by_step[-1]

    @cached_property
    def accuracy_by_steps(self) -> Curve:
        """Held-out accuracy against steps."""
        return [(seen.step, seen.accuracy) for seen in self.records.evaluations]

    @cached_property
    def accuracy_by_tokens(self) -> Curve:
        """Held-out accuracy against rollout tokens."""
        return [(self.tokens_by_step[seen.step], seen.accuracy) for seen in self.records.evaluations]

    @property
    def start_accuracy(self) -> float:
        """Held-out accuracy before training."""
        return self.records.evaluations[0].accuracy

    @property
    def final_accuracy(self) -> float:
        """Held-out accuracy at the end."""
        return self.records.evaluations[-1].accuracy

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
