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
from trainer_client.listings import (
    Advisory,
    PoolSummary,
    PoolTask,
    RunHistory,
    RunInsight,
    RunSummary,
    SelectionSummary,
    TaskVisits,
)
from trainer_client.models import (
    EffectiveTaskRatio,
    Explanation,
    PoolInfo,
    PosteriorRow,
    Predicted,
    Receipt,
    RunStatus,
    Selection,
    SelectionCounts,
    Task,
    TaskReceipt,
)
from trainer_client.outcomes import Outcome
from trainer_client.rewards import RewardOutOfRange, RewardScale

__all__ = [
    "Advisory",
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
    "PoolSummary",
    "PoolTask",
    "PosteriorRow",
    "Predicted",
    "Receipt",
    "RewardOutOfRange",
    "RewardScale",
    "RunHistory",
    "RunInsight",
    "RunStatus",
    "RunSummary",
    "Selection",
    "SelectionCounts",
    "SelectionSummary",
    "SelectorClient",
    "SelectorError",
    "SelectorUnavailable",
    "Task",
    "TaskReceipt",
    "TaskVisits",
    "Unauthorized",
]
