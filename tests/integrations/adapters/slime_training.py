"""A training by a stand-in of slime, after 0.3.1 (624b824): its data source, rollouts and loop.

A rollout asks for groups until as many as a batch has passed the filter of groups without variance; what is then
unfinished is thrown away, or with partial rollouts put back. Its argument is a folder with `settings.json`. What is
rolled out is written to `notes`, by the number of its selection.
"""

from __future__ import annotations

import os
import pickle
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, roll_out, settings

JOB = str(os.getpid())
KEPT = BATCH // 2
"""Groups that a rollout keeps; it asks for as many as a batch at a time."""


@dataclass
class Sample:
    """In the place of `slime.utils.types.Sample`."""

    class Status(Enum):
        PENDING = "pending"
        COMPLETED = "completed"
        ABORTED = "aborted"
        FAILED = "failed"

    metadata: dict[str, Any] = field(default_factory=dict)
    group_index: int | None = None
    index: int | None = None
    reward: Any = None
    status: Status = Status.PENDING

    def get_reward_value(self, args: Any) -> float:
        return self.reward if not args.reward_key else self.reward[args.reward_key]


class RolloutDataSourceWithBuffer:
    """In the place of `slime.rollout.data_source`'s."""

    def __init__(self, args: Any):
        self.args = args
        self.sample_group_index = self.sample_index = 0
        self.metadata: dict[str, Any] = {}
        self.buffer: list[list[Sample]] = []
        self.dataset = SimpleNamespace(origin_samples=[Sample({"task": task}) for task in args.tasks])

    def _get_samples_from_buffer(self, num_samples: int) -> list[list[Sample]]:
        taken = self.buffer[:num_samples]
        del self.buffer[:num_samples]
        return taken

    def add_samples(self, samples: list[list[Sample]]) -> None:
        self.buffer += samples

    def _file(self, folder: str, rollout_id: int | None) -> Path:
        return Path(folder) / f"rollout/global_dataset_state_dict_{rollout_id}.pt"

    def save(self, rollout_id: int) -> None:
        state = {"sample_group_index": self.sample_group_index, "metadata": self.metadata}
        file = self._file(self.args.save, rollout_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(state))

    def load(self, rollout_id: int | None = None) -> None:
        file = self._file(self.args.load, rollout_id)
        if file.exists():
            state = pickle.loads(file.read_bytes())
            self.sample_group_index, self.metadata = state["sample_group_index"], state["metadata"]


def stand_in() -> None:
    """Put these where the adapter looks."""
    source: Any = ModuleType("slime.rollout.data_source")
    types: Any = ModuleType("slime.utils.types")
    source.RolloutDataSourceWithBuffer, types.Sample = RolloutDataSourceWithBuffer, Sample
    sys.modules |= {source.__name__: source, types.__name__: types}


def finish(folder: Path, rollout_id: int, group: list[Sample], selection: int) -> None:
    """In the place of generation: rewards, or failed samples."""
    task = group[0].metadata["task"]
    rewards = roll_out(folder, rollout_id, task, note_as=None)
    note(folder / "notes", selection, {task: rewards}, JOB)
    for sample, reward in zip(group, rewards or [None] * ROLLOUTS, strict=True):
        sample.reward = None if reward is None else {"score": reward}
        sample.status = Sample.Status.FAILED if reward is None else Sample.Status.COMPLETED


def generate(
    folder: Path,
    rollout_id: int,
    source: Any,
    report: Callable[..., None],
    selection_of: dict[int | None, int],
) -> None:
    """In the place of `sglang_rollout.generate_rollout`."""
    order = random.Random(rollout_id)
    pending: list[list[Sample]] = []
    everything: list[list[Sample]] = []
    kept = dropped = submitted = 0
    while kept < KEPT:
        while submitted - dropped < KEPT:
            groups = source.get_samples(BATCH)
            for group in groups:
                selection_of.setdefault(group[0].group_index, source.feed.state()["drawn"] - 1)
            pending += groups
            submitted += len(groups)
        group = pending.pop(order.randrange(len(pending)))
        finish(folder, rollout_id, group, selection_of.pop(group[0].group_index))
        everything.append(group)
        if len({str(sample.reward) for sample in group}) == 1:
            dropped += 1
        else:
            kept += 1
    report(source.args, everything, source.get_samples)
    if source.args.partial_rollout:
        source.add_samples(pending)
    else:
        selection_of.clear()


def main(folder: Path) -> None:
    stand_in()
    from trainer_client.integrations.slime import SelectedDataSource, report

    given = settings(folder)
    os.environ |= {"SELECTOR_URL": given["url"], "SELECTOR_RUN": given["run"]}
    args = SimpleNamespace(
        tasks=given["tasks"],
        rollout_batch_size=KEPT,
        n_samples_per_prompt=ROLLOUTS,
        partial_rollout=given.get("partial_rollout", False),
        reward_key="score",
        save=str(folder / "checkpoints"),
        load=str(folder / "checkpoints"),
    )
    SelectedDataSource.options = {"max_retries": 1}
    source = SelectedDataSource(args)
    newest = folder / "checkpoints" / "latest"
    first = int(newest.read_text()) + 1 if newest.exists() else 0
    source.load(first - 1)
    selection_of: dict[int | None, int] = {}
    for rollout_id in range(first, STEPS):
        generate(folder, rollout_id, source, report, selection_of)
        if (rollout_id + 1) % given.get("save_every", 1) == 0:
            source.save(rollout_id)
            newest.write_text(str(rollout_id))
        for task in EVALUATED if rollout_id % 4 == 0 else []:
            note(folder / "evaluations", 0, {task: rewards_of(task, ROLLOUTS)})
    (folder / "left").write_text(str(len(source.buffer)))
    source.feed.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
