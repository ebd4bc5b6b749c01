"""What a trainer imports: a sync and an async client of the selector, its errors, and a fake for tests."""

from .async_client import AsyncSelectorClient
from .client import SelectorClient
from .errors import (
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
from .fake import FakeSelector
from .fallback import Fallback
from .models import (
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
