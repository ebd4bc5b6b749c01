"""A training by a stand-in of prime-rl's orchestrator, after v0.8.1.dev67 (559b447): curriculum and dispatcher.

Tasks are asked for one by one, eight groups are in flight and end in another order than they began, gates throw out
groups without variance, and a checkpoint holds the state of the curriculum. Its argument is a folder with
`settings.json`. What a training has rolled out in the end, over all its jobs, is written to `notes`.
"""

from __future__ import annotations

import os
import pickle
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, roll_out, settings

IN_FLIGHT = 8


class TaskSampler(Iterator[Any]):
    """In the place of `curriculum.samplers.base.TaskSampler`."""


class Curriculum:
    """In the place of `curriculum.base.Curriculum`: a sampler, and a gate for groups without variance."""

    def __init__(self, config: Any, tasks: Any):
        self.sampler: Any = None

    def on_result(self, group: list[Any]) -> bool:
        self.sampler.observe(group)
        return len({trace.reward for episode in group for trace in episode.traces}) > 1

    def state_dict(self) -> dict[str, Any]:
        return {"sampler": self.sampler.state_dict(), "gates": {}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sampler.load_state_dict(state["sampler"])


def stand_in() -> None:
    """Put these where the adapter looks."""
    module: Any = ModuleType("prime_rl.orchestrator.curriculum")
    module.TaskSampler, module.Curriculum = TaskSampler, Curriculum
    sys.modules[module.__name__] = module


@dataclass
class Progress:
    """What the orchestrator's checkpoint holds besides the curriculum."""

    step: int = 0
    drawn: int = 0
    observed: list[tuple[int, str, list[float] | None]] = field(default_factory=list)

    @property
    def scored(self) -> int:
        return sum(rewards is not None for *_, rewards in self.observed)


@dataclass(frozen=True)
class InFlight:
    number: int
    task: Any


def group_of(task: Any, rewards: Sequence[float] | None) -> list[Any]:
    """A finalized group: an episode with one trace for each rollout."""
    agent = SimpleNamespace(trainable=True)
    return [
        SimpleNamespace(
            task=task, traces=[SimpleNamespace(reward=reward or 0.0, has_error=rewards is None, agent=agent)]
        )
        for reward in rewards or [None] * ROLLOUTS
    ]


def train(folder: Path, curriculum: Curriculum) -> Progress:
    """Until so many batches of groups have been admitted, and no outcome waits for its commit."""
    checkpoint, random_order = folder / "checkpoint", random.Random(1)
    progress, groups, admitted = Progress(), list[InFlight](), 0
    if checkpoint.exists():
        progress, state = pickle.loads(checkpoint.read_bytes())
        curriculum.load_state_dict(state)
    while progress.step < STEPS or progress.scored % BATCH:
        while len(groups) < IN_FLIGHT:
            groups.append(InFlight(progress.drawn, next(curriculum.sampler)))
            progress.drawn += 1
        ended = groups.pop(random_order.randrange(len(groups)))
        rewards = roll_out(folder, progress.step, ended.task.key, note_as=None)
        progress.observed.append((ended.number, ended.task.key, rewards))
        admitted += curriculum.on_result(group_of(ended.task, rewards))
        if admitted == BATCH:
            progress.step, admitted = progress.step + 1, 0
            for task in EVALUATED if progress.step % 4 == 0 else []:
                note(folder / "evaluations", 0, {task: rewards_of(task, ROLLOUTS)})
            unfinished = checkpoint.with_suffix(".unfinished")
            unfinished.write_bytes(pickle.dumps((progress, curriculum.state_dict())))
            unfinished.replace(checkpoint)
    return progress


def main(folder: Path) -> None:
    stand_in()
    from trainer_client.integrations.prime_rl import select_tasks

    given = settings(folder)
    os.environ["SELECTOR_URL"] = given["url"]
    select_tasks(given["run"], batch_size=BATCH, max_retries=1, unsent_reports=folder / "unsent")
    curriculum = Curriculum(None, [SimpleNamespace(key=task) for task in given["tasks"]])
    for number, task, rewards in train(folder, curriculum).observed:
        note(folder / "notes", number // BATCH, {task: rewards})
    curriculum.sampler._feed.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
