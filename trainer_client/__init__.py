"""What a trainer imports: a sync and an async client of the selector, its errors, and a fake for tests."""

from trainer_client.async_client import AsyncSelectorClient
from trainer_client.client import SelectorClient
from trainer_client.errors import (
    ApiError,
    BatchTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    SelectorError,
    SelectorUnavailable,
    Unauthorized,
)
from trainer_client.fake import FakeSelector
from trainer_client.fallback import Fallback
from trainer_client.models import (
    EffectiveTaskRatio,
    Explanation,
    Outcome,
    PoolInfo,
    PosteriorRow,
    Receipt,
    RunStatus,
    Selection,
    SelectionCounts,
    Task,
    TaskReceipt,
)

__all__ = [
    "ApiError",
    "AsyncSelectorClient",
    "BatchTooLarge",
    "Conflict",
    "EffectiveTaskRatio",
    "Explanation",
    "FakeSelector",
    "Fallback",
    "Forbidden",
    "InvalidRequest",
    "NotFound",
    "Outcome",
    "PoolInfo",
    "PosteriorRow",
    "Receipt",
    "RunStatus",
    "Selection",
    "SelectionCounts",
    "SelectorClient",
    "SelectorError",
    "SelectorUnavailable",
    "Task",
    "TaskReceipt",
    "Unauthorized",
]
