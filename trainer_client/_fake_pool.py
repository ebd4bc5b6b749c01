"""The fake selector's pools."""

from collections.abc import Iterable
from typing import Any

from trainer_client._contract.store_task_chunks import MAX_REFERENCES
from trainer_client._contract.web_schemas_pools import TaskItem
from trainer_client._fake_http import Problem


class FakePool:
    """The tasks that runs draw from, by id, and the names of their references and domains as they appeared."""

    def __init__(self, name: str):
        self.name = name
        self.tasks: dict[str, TaskItem] = {}
        self.references: list[str] = []

    @property
    def domains(self) -> dict[str, int]:
        """The number of tasks by domain."""
        counts: dict[str, int] = {}
        for task in self.tasks.values():
            counts[task.domain] = counts.get(task.domain, 0) + 1
        return counts

    def add(self, tasks: Iterable[TaskItem]) -> int:
        """Add tasks, all or none; returns how many are new.

        Raises:
            Problem: task-conflict, or invalid-request if they have too many references.
        """
        new: dict[str, TaskItem] = {}
        references = dict.fromkeys(self.references)
        for task in tasks:
            known = self.tasks.get(task.id) or new.setdefault(task.id, task)
            if known != task:
                raise Problem(409, "task-conflict", f"Task {task.id!r} is there with other values.")
            references |= dict.fromkeys(task.references)
        if len(references) > MAX_REFERENCES:
            raise Problem(422, "invalid-request", f"references: a pool has at most {MAX_REFERENCES}")
        self.tasks |= new
        known = set(self.references)
        self.references += sorted({name for task in new.values() for name in task.references} - known)
        return len(new)

    def view(self) -> dict[str, Any]:
        """The answer of `GET /pools/{pool}`."""
        return {
            "pool": self.name,
            "tasks": len(self.tasks),
            "domains": self.domains,
            "references": list(self.references),
        }
