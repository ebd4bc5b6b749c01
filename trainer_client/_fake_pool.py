"""The fake selector's pools."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from trainer_client._contract.core_config import RunConfig
from trainer_client._contract.core_posteriors_rasch import MOST_REFERENCES, Rasch
from trainer_client._contract.store_task_chunks import MAX_REFERENCES
from trainer_client._contract.web_schemas_pools import TaskItem
from trainer_client._fake_http import Problem


class FakePool:
    """The tasks that runs draw from, by id, and the names of their references and domains as they appeared."""

    def __init__(self, name: str):
        self.name = name
        self.tasks: dict[str, TaskItem] = {}
        self.references: list[str] = []
        self.retired: set[str] = set()
        self.chunks = 0
        """How often it was added to."""

    @property
    def domains(self) -> dict[str, int]:
        """The number of tasks by domain."""
        counts: dict[str, int] = {}
        for task in self.tasks.values():
            counts[task.domain] = counts.get(task.domain, 0) + 1
        return counts

    @property
    def reference_counts(self) -> dict[str, int]:
        """How many tasks have each reference."""
        tasks = self.tasks.values()
        return {name: sum(name in task.references for task in tasks) for name in self.references}

    def add(self, tasks: Iterable[TaskItem], readers: Mapping[str, Callable[[str], bool]]) -> tuple[int, int]:
        """Add tasks, all or none; how many are new, and how many got references that they had not.

        Args:
            tasks: the tasks.
            readers: of each run whether it reads a reference.

        Raises:
            Problem: task-conflict or reference-in-use, or invalid-request if they have too many references.
        """
        changed: dict[str, TaskItem] = {}
        references = dict.fromkeys(self.references)
        for task in tasks:
            known = changed.get(task.id) or self.tasks.get(task.id)
            if known is None:
                changed[task.id] = task
            else:
                changed[task.id] = _extended(known, task, readers)
            references |= dict.fromkeys(task.references)
        if len(references) > MAX_REFERENCES:
            raise Problem(422, "invalid-request", f"references: a pool has at most {MAX_REFERENCES}")
        inserted = len(changed.keys() - self.tasks.keys())
        extended = sum(name in self.tasks and self.tasks[name] != task for name, task in changed.items())
        self.tasks |= changed
        new = {name for task in changed.values() for name in task.references} - set(self.references)
        self.references += sorted(new)
        self.chunks += bool(inserted or extended)
        return inserted, extended

    def refuse_unknown(self, config: RunConfig) -> None:
        """Refuse a run that would go by what the pool does not have."""
        for reference in config.posterior.references:
            if reference not in self.references:
                detail = f"posterior: no task was measured with {reference!r}"
                raise Problem(422, "unknown-reference", detail)
        for domain in config.policy.domains or ():
            if domain not in self.domains:
                raise Problem(422, "unknown-domain", f"policy.domains: the pool has no task of {domain!r}")
        if config.policy.needs_references and not self.references:
            detail = f"policy: {config.policy.type} goes by references, and no task of the pool has any"
            raise Problem(422, "unknown-reference", detail)

    def settled(self, config: RunConfig) -> RunConfig:
        """The configuration with what its posterior leaves to the pool; rates are rounded to 1/16 at most."""
        posterior = config.posterior
        if not isinstance(posterior, Rasch):
            return config
        names = tuple(self.references) if posterior.references_ is None else posterior.references_
        if len(names) > MOST_REFERENCES:
            raise Problem(
                422, "invalid-request", f"posterior.references: at most {MOST_REFERENCES} can be read"
            )
        return replace(
            config, posterior=replace(posterior, references_=names, rounding=posterior.rounding or 16)
        )

    def retire(self, tasks: list[str], *, retired: bool) -> dict[str, Any]:
        """Retire tasks or restore them; the answer of the call."""
        for place, task in enumerate(tasks):
            if task not in self.tasks:
                raise Problem(404, "unknown-task", f"tasks[{place}]: there is no task {task!r}")
        changed = set(tasks) - self.retired if retired else set(tasks) & self.retired
        self.retired ^= changed
        return {"changed": len(changed), "retired": len(self.retired)}

    def page(self, first: int, limit: int) -> dict[str, Any]:
        """The answer of `GET /pools/{pool}/tasks`."""
        last = first + limit
        rows = [
            {"id": task.id, "domain": task.domain, "references": task.references}
            | ({"retired": True} if task.id in self.retired else {})
            for task in list(self.tasks.values())[first:last]
        ]
        return {"tasks": rows} | ({"next": str(last)} if last < len(self.tasks) else {})

    def view(self) -> dict[str, Any]:
        """The answer of `GET /pools/{pool}`."""
        return {
            "pool": self.name,
            "tasks": len(self.tasks),
            "domains": self.domains,
            "references": list(self.references),
            "reference_counts": self.reference_counts,
            "retired": len(self.retired),
        }


def _extended(known: TaskItem, task: TaskItem, readers: Mapping[str, Callable[[str], bool]]) -> TaskItem:
    """A task with the references that it gets; what it has must be the same."""
    if known.domain != task.domain or any(
        known.references.get(name, value) != value for name, value in task.references.items()
    ):
        raise Problem(409, "task-conflict", f"Task {task.id!r} is there with other values.")
    added = task.references.keys() - known.references.keys()
    for name in sorted(added):
        for run, reads in readers.items():
            if reads(name):
                raise Problem(409, "reference-in-use", f"Run {run!r} reads reference {name!r}.")
    return (
        known.model_copy(update={"references": {**known.references, **task.references}}) if added else known
    )
