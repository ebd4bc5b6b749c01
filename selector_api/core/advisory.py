"""What should be known of a run, in words, and how figures are written in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from selector_api.core.fields import schema


@dataclass(frozen=True)
class Advisory:
    """What should be known of a run, in words."""

    __pydantic_config__ = schema(
        code="honest", level="look", text="Predictions are 0.12 too high in `code` (240 groups)."
    )

    code: str
    """A stable word: `learning`, `starving` and `honest` are always there; others are `stuck`, `informative`,
    `used-up`, `drops`, `relapsed` and `stale`"""
    level: Literal["ok", "look"]
    """Whether somebody should look at it"""
    text: str
    """Sentences; names stand in backticks"""


def counted(number: int, noun: str) -> str:
    """A number of things: "1 task", "3,200 tasks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """A figure with two digits behind the point."""
    return f"{value:.2f}".replace("-", "−")


def percent(share: float) -> str:
    """A share in whole percent."""
    return "under 1 %" if 0 < share < 0.01 else f"{int(100 * share + 0.5)} %"


def named(names: Iterable[str]) -> str:
    """Names of domains: the first six, and how many more."""
    return some([f"`{name}`" for name in names])


def some(listed: Sequence[str]) -> str:
    """What is said of domains: of the first six, and how many more there are."""
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more domains" if len(listed) > 6 else "")


def mostly_in(counts: Mapping[str, int], total: int) -> str | None:
    """The domain, one of several, that has at least nine in ten of a total; None if there is none."""
    most = max(counts, key=lambda name: counts[name], default=None)
    is_most = most is not None and len(counts) > 1 and counts[most] >= 0.9 * total > 0
    return most if is_most else None
