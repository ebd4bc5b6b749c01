"""RL by prime-rl on tasks that the selector chooses: `select_tasks` before its orchestrator starts.

from prime_rl.orchestrator.orchestrator import main
from trainer_client.integrations.prime_rl import select_tasks

select_tasks("my-run", batch_size=16)
main()
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Sequence
from functools import wraps
from typing import Any

from prime_rl.orchestrator.curriculum import Curriculum, TaskSampler

from trainer_client.feed import TaskFeed


class SelectedSampler(TaskSampler):
    """Tasks from selections of the feed's size, one at a time, each reported as its group is finalized.

    Groups in flight of several selections end in any order, so the run's `commit` counts outcomes. A group that
    prime-rl cancels is never finalized; its task can be drawn again when its lease ends.
    """

    def __init__(self, tasks: Sequence[Any], feed: TaskFeed):
        self._tasks = {task.key: task for task in tasks}
        self._feed = feed
        feed.open()

    def __next__(self) -> Any:
        """The next task."""
        return self._tasks[self._feed.task()]

    def observe(self, group: list[Any]) -> None:
        """Report what came of a task, before any gate: the rewards of the traces that could be trained on."""
        traces = [trace for episode in group for trace in episode.traces]
        rewards = [trace.reward for trace in traces if not trace.has_error and trace.agent.trainable]
        self._feed.report({group[0].task.key: rewards})

    def state_dict(self) -> dict[str, Any]:
        """What prime-rl's checkpoint holds."""
        return self._feed.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint. Groups that were in flight are lost; their tasks are dropped."""
        self._feed.restore(state_dict)

    def metrics(self) -> dict[str, float]:
        """As `TaskFeed.figures`."""
        return dict(self._feed.figures)


def select_tasks(run: str | None = None, *, batch_size: int, **options: Any) -> None:
    """Let the curriculum of the one training environment draw from the selector, in the place of its sampler.

    Args:
        run: the run; without one, the environment's SELECTOR_RUN.
        batch_size: tasks in a selection.
        options: further arguments of `TaskFeed`. A resume goes on in its run, unless `on_rollback` says otherwise.
    """
    given = {"look_ahead": None, "on_rollback": "keep", **options}
    made: list[Curriculum] = []
    init = Curriculum.__init__

    @wraps(init)
    def selected(self: Curriculum, config: Any, tasks: Any) -> None:
        if made or not isinstance(tasks, Sequence):
            got = "a second environment" if made else "an endless one"
            raise ValueError(
                f"tasks: got {got}; the selector draws for one training environment with a list of tasks"
            )
        init(self, config, tasks)
        made.append(self)
        feed = TaskFeed(run, batch_size=batch_size, tasks=[task.key for task in tasks], **given)
        self.sampler = SelectedSampler(tasks, feed)

    Curriculum.__init__ = selected
