"""What the service's lists hold, page by page. Fields of newer services are kept, absent ones are None."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from trainer_client.models import PosteriorRow

Row = TypeVar("Row")


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class RunSummary(_Row):
    """A run in a list: its pool, its number of commits, and what else the service tells in short."""

    run: str
    pool: str | None = None
    step: int


class PoolSummary(_Row):
    """A pool in a list."""

    pool: str
    tasks: int


class PoolTask(_Row):
    """A task of a pool; `retired`: no run draws it any more."""

    id: str
    domain: str | None = None
    references: dict[str, float] = {}
    retired: bool = False


class SelectionSummary(_Row):
    """A selection in a list: the key it was asked with, its tasks, and until when they are leased."""

    selection: str
    status: str
    key: str | None = None
    step: int | None = None
    tasks: list[str]
    expires_at: datetime | None = None


class Page(BaseModel, Generic[Row]):
    """One page of a list; `next` is the cursor of the following one, None at the end."""

    rows: list[Row] = Field(validation_alias=AliasChoices("pools", "runs", "tasks", "selections"))
    next: str | None = None


class Advisory(_Row):
    """What should be known of a run, in words; `level` is "ok", or "look" if somebody should look at it."""

    code: str
    level: str
    text: str


class RunInsight(_Row):
    """What a run's figures say in words, and its course in detail."""

    run: str
    step: int
    advisories: list[Advisory]
    calibration_error: float | None = None
    points: list[dict[str, Any]] = []


class TaskVisits(_Row):
    """What is known of one task, and each time that it was handed out or evaluated, from the step `since` on."""

    step: int
    posterior: PosteriorRow
    visits: list[dict[str, Any]]
    since: int


class RunHistory(_Row):
    """The course of a run in at most so many points."""

    run: str | None = None
    points: list[dict[str, Any]] = []
