"""Pools and their tasks."""

from __future__ import annotations

from pydantic import Field

from selector_api.core.tasks import DEFAULT_DOMAIN
from selector_api.store.task_chunks import MAX_REFERENCES
from selector_api.web.schemas.common import Answer, Id, Request, Share, example


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
        pool="guru", tasks=54400, domains={"math": 30000, "code": 24400}, references=["qwen-7b", "qwen-30b"]
    )

    pool: str
    tasks: int = Field(description="Number of tasks")
    domains: dict[str, int] = Field(description="Number of tasks by domain")
    references: list[str] = Field(description="Names of the references that were measured")


class TasksReceipt(Answer):
    """What became of the tasks sent."""

    model_config = example(inserted=2, unchanged=0, tasks=54400)

    inserted: int = Field(description="Tasks that are new")
    unchanged: int = Field(description="Tasks that were there with the same values")
    tasks: int = Field(description="Tasks of the pool now")
