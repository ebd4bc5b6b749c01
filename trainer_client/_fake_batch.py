"""The fake selector's selections."""

from dataclasses import dataclass, field
from typing import Any, Literal

from trainer_client._fake_outcomes import Seen


@dataclass
class Batch:
    """A selection: its event, what is known of each task, and which of that has entered a commit."""

    event: dict[str, Any]
    expires_at: int
    means: dict[str, float]
    """The success probability that was expected of each task."""
    known: dict[str, Seen] = field(default_factory=dict[str, Seen])
    entered: set[str] = field(default_factory=set[str])
    is_ending: bool = False
    left_out: set[str] = field(default_factory=set[str])
    """The tasks without which it ended: they count as dropped."""
    ended_as: Literal["committed", "released"] | None = None
    """What it was when it ended; None: it has not. Runs count selections by that."""

    @property
    def state(self) -> Literal["open", "committed", "released"]:
        """What has become of it by now: a late outcome is evidence, too."""
        if self.ended_as is None:
            return "open"
        return "committed" if self.entered else "released"

    def end(self) -> None:
        """Nothing of it is leased any more."""
        self.ended_as = "committed" if self.entered else "released"

    @property
    def tasks(self) -> list[str]:
        """The tasks in their order."""
        return self.event["tasks"]

    @property
    def reported(self) -> int:
        """Tasks of which an outcome is known."""
        return sum(isinstance(seen, list) for seen in self.known.values())

    @property
    def waiting(self) -> list[str]:
        """The tasks with an outcome that has not entered, in the selection's order."""
        return [
            task for task in self.tasks if isinstance(self.known.get(task), list) and task not in self.entered
        ]

    @property
    def leased(self) -> set[str]:
        """The tasks that nobody else is to draw."""
        if self.state != "open":
            return set()
        dropped = {task for task, seen in self.known.items() if isinstance(seen, str)}
        return set(self.tasks) - self.entered - dropped - self.left_out

    @property
    def version(self) -> int | None:
        """The policy version of its outcomes that have none of their own: none once it has ended."""
        return self.event.get("policy_version") if self.state == "open" else None

    def row(self, task: str, *, by_id: bool) -> list[Any]:
        """The outcome of a task as a commit has it."""
        return [task if by_id else self.tasks.index(task), *self.known[task]]
