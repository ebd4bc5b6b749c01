"""Taken over from selector_api/web/schemas/pools.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from pydantic import Field

from trainer_client._contract.core_fields import Id, Share
from trainer_client._contract.core_tasks import DEFAULT_DOMAIN
from trainer_client._contract.store_task_chunks import MAX_REFERENCES
from trainer_client._contract.web_schemas_common import Request, example


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
