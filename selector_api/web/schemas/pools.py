"""Pools and their tasks."""

from __future__ import annotations

from pydantic import Field

from selector_api.core.fields import Id, Share
from selector_api.core.tasks import DEFAULT_DOMAIN
from selector_api.store.task_chunks import MAX_REFERENCES
from selector_api.web.schemas.common import Answer, Request, example


class PoolRequest(Request):
    """PUT /pools/{pool}: nothing to say yet."""

    model_config = example()


class TaskItem(Request):
    """A task of a pool."""

    model_config = example(id="gsm8k/17", domain="math", references={"qwen-7b": 0.25, "qwen-30b": 0.875})

    id: Id = Field(description="Its id, unique in the pool")
    domain: Id = Field(default=DEFAULT_DOMAIN, description="What kind of task it is")
    references: dict[Id, Share] = Field(
        default_factory=dict,
        max_length=MAX_REFERENCES,
        description="Measured pass rates in [0, 1] by the reference model's name",
    )


class PoolView(Answer):
    """A pool."""

    model_config = example(
        pool="guru",
        tasks=54400,
        domains={"math": 30000, "code": 24400},
        references=["qwen-7b", "qwen-30b"],
        reference_counts={"qwen-7b": 54400, "qwen-30b": 30000},
        retired=3,
    )

    pool: str
    tasks: int = Field(description="Number of tasks")
    domains: dict[str, int] = Field(description="Number of tasks by domain")
    references: list[str] = Field(description="Names of the references that were measured")
    reference_counts: dict[str, int] = Field(description="How many tasks were measured with each")
    retired: int = Field(description="Tasks that no run draws any more")


class TasksReceipt(Answer):
    """What became of the tasks sent."""

    model_config = example(inserted=2, unchanged=0, extended=0, tasks=54400)

    inserted: int = Field(description="Tasks that are new")
    unchanged: int = Field(description="Tasks that were there with the same values")
    extended: int = Field(description="Tasks that were there and got references which they had not")
    tasks: int = Field(description="Tasks of the pool now")


class PoolItemView(Answer):
    """A pool in a list."""

    model_config = example(pool="guru", tasks=54400, runs=3)

    pool: str
    tasks: int = Field(description="Number of tasks")
    runs: int = Field(description="Runs that draw from it")


class PoolsView(Answer):
    """A page of the list of pools."""

    model_config = example(pools=[{"pool": "guru", "tasks": 54400, "runs": 3}], next="guru")

    pools: list[PoolItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class TaskView(Answer):
    """A task of a pool."""

    model_config = example(id="gsm8k/17", domain="math", references={"qwen-7b": 0.25})

    id: str
    domain: str
    references: dict[str, float]
    retired: bool | None = Field(default=None, description="True if no run draws it any more, else absent")


class TasksView(Answer):
    """A page of a pool's tasks, in the order in which they joined."""

    model_config = example(tasks=[{"id": "gsm8k/17", "domain": "math", "references": {}}], next="10000")

    tasks: list[TaskView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class RetiredView(Answer):
    """What became of tasks that were retired or restored."""

    model_config = example(changed=2, retired=3)

    changed: int = Field(description="Tasks that were not so before")
    retired: int = Field(description="Tasks of the pool that are retired now")
