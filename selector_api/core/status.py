"""Where a run stands: those figures of its state that are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from selector_api.core.calibration import Calibration
from selector_api.core.config import RunConfig
from selector_api.core.fields import schema, to_dict
from selector_api.core.posteriors.posterior import Weight
from selector_api.core.state import RunState
from selector_api.core.times import rfc3339


@dataclass(frozen=True)
class SelectionCounts:
    """How many selections are in which state."""

    __pydantic_config__ = schema(open=1, committed=120, released=2, expired=2)

    open: int
    """Leased now"""
    committed: int
    """Closed with evidence"""
    released: int
    """Closed with nothing reported"""
    expired: int
    """The name of `released` up to 0.2; it goes with the next release"""


@dataclass(frozen=True)
class EffectiveTaskRatio:
    """Share of reported groups whose rewards were not all equal; null before any."""

    __pydantic_config__ = schema(
        last=0.78, recent=0.74, by_domain={"math": 0.76, "code": None}, evaluation=0.61
    )

    last: float | None
    """Of the last commit"""
    recent: float | None
    """Of the last 20 commits"""
    by_domain: dict[str, float | None]
    """Of the last 20 commits, by domain"""
    evaluation: float | None
    """Of all evaluations, which are not in the others"""


@dataclass(frozen=True)
class StalenessView:
    """By how many policy versions outcomes were behind the newest that the trainer told."""

    __pydantic_config__ = schema(newest=310, mean=1.4, largest=7)

    newest: int
    """The newest policy version"""
    mean: float | None
    """Mean over the outcomes of the last 20 commits that told theirs"""
    largest: int | None
    """The largest of them"""


@dataclass(frozen=True)
class Rewound:
    """Redis lost events of the run, as in a failover to a Redis replica that lagged, or a restored backup."""

    __pydantic_config__ = schema(times=1, known=812, found=806, at="2026-01-01T12:00:00.000Z")

    times: int
    """How often that was noticed"""
    known: int
    """Events that a process of the service knew, the last time"""
    found: int
    """Events that were left"""
    at: str
    """When it was noticed"""


@dataclass(frozen=True)
class RunStatus:
    """A run."""

    __pydantic_config__ = schema(
        run="qwen-grpo-1",
        config={"pool": "guru", "seed": 0},
        step=120,
        tasks=54400,
        selections={"open": 1, "committed": 120, "released": 0, "expired": 0},
        capability={"math": 0.31, "code": None},
        references={},
        etr={"last": 0.78, "recent": 0.74, "by_domain": {"math": 0.76, "code": 0.7}, "evaluation": 0.61},
        never_selected=50112,
        dropped=3,
        excluded=12,
        calibration={
            "groups": 1000,
            "predicted": 0.51,
            "seen": 0.49,
            "bins": [{"groups": 1000, "predicted": 0.51, "seen": 0.49}],
        },
        staleness={"newest": 310, "mean": 1.4, "largest": 7},
        parent={"run": "qwen-grpo-0", "step": 80},
        rewound={"times": 1, "known": 812, "found": 806, "at": "2026-01-01T12:00:00.000Z"},
        warnings=[],
    )

    run: str
    config: RunConfig
    """Its configuration, every default written out"""
    step: int
    """Commits so far"""
    tasks: int
    """Tasks that the run can draw from"""
    selections: SelectionCounts
    capability: dict[str, float | None]
    """Where the model stands, by domain, null where that is not known (yet): μ of a `bots` posterior; of a `rasch`
    one how likely it solves a task of which every reference solved half"""
    references: dict[str, Weight]
    """What each reference counts, by its name, as a `rasch` posterior has learned; empty for other posteriors"""
    etr: EffectiveTaskRatio
    never_selected: int
    """Tasks that were never selected"""
    dropped: int
    """How often a task was dropped"""
    excluded: int
    """Tasks that are not drawn, because the run or its pool was told so"""
    calibration: Calibration
    """What was expected of the last 1,000 groups, and what was seen"""
    staleness: StalenessView | None
    """How old the policies were that made the outcomes; null if no version was ever told"""
    parent: dict[str, Any] | None
    """The `run` whose evidence this one began with, and the `step` until which"""
    rewound: Rewound | None
    """What Redis lost of it; null if nothing is known of a loss"""
    warnings: list[str]
    """What should be seen to"""

    @classmethod
    def of(cls, run: str, state: RunState, domains: int | None = None) -> RunStatus:
        """Where the run of this name stands; of its domains the first `domains`, or all.

        With a bound it takes no longer for a large pool than for a small one.
        """
        return cls(
            run=run,
            config=state.config,
            step=state.step,
            tasks=state.size,
            selections=SelectionCounts(
                len(state.leased), state.committed, state.released, expired=state.released
            ),
            capability=state.capability_by_domain(domains),
            references=dict(state.posterior.reference_weights()),
            etr=EffectiveTaskRatio(
                last=state.effective_task_ratio(commits=1),
                recent=state.effective_task_ratio(),
                by_domain=state.effective_task_ratio_by_domain(domains),
                evaluation=state.evaluated_informative / state.evaluated if state.evaluated else None,
            ),
            never_selected=state.size - state.history.ever_selected,
            dropped=state.dropped,
            excluded=len(state.withheld.tasks),
            calibration=Calibration.of(state.calibration),
            staleness=_staleness(state),
            parent=None if state.parent is None else dict(state.parent),
            rewound=_rewound(state),
            warnings=list(warnings(state)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON values."""
        return to_dict(self)


def _staleness(state: RunState) -> StalenessView | None:
    staleness = state.staleness
    if staleness.newest is None:
        return None
    return StalenessView(staleness.newest, staleness.mean(), staleness.largest())


def _rewound(state: RunState) -> Rewound | None:
    last = state.rewound
    if last is None:
        return None
    return Rewound(state.rewinds, last["known"], last["found"], rfc3339(last["at"]))


def warnings(state: RunState) -> Iterator[str]:
    """What should be seen to, a sentence each."""
    rewound = _rewound(state)
    if rewound is not None:
        yield (
            f"Redis has lost events of this run (noticed at {rewound.at}): {rewound.known} were known, "
            f"{rewound.found} were left"
        )
    unsuited = state.config.policy.unsuited(state.config.posterior)
    if unsuited is not None:
        yield unsuited
    if state.config.policy.domains is not None:
        for name in state.domains():
            if name not in state.config.policy.domains:
                yield (
                    f"policy.domains: the domain {name!r} has no share, so none of its tasks is drawn; "
                    "PATCH the run with shares of all domains (0 for none)"
                )
