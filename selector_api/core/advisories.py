"""What a run's figures say in words: is the model learning, what starves, are predictions honest, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from selector_api.core.calibration import Calibration, CalibrationBin, by_domain, error_of
from selector_api.core.course import BINS, MAX_DOMAINS
from selector_api.core.fields import schema
from selector_api.core.moves import Move, capability_moves
from selector_api.core.state import RECENT_COMMITS, RunState
from selector_api.core.streaks import STUCK

_FEWEST_GROUPS = 50
"""Groups from which on a difference of predicted and seen rates means something."""
_FEWEST_COMMITS = 16
_OFF = 0.05
"""By how much predictions may be off on average."""
_SPREAD = 0.5
"""By how much pass rates of single groups spread around what is expected, at most."""
_SLOW = 0.1
"""Tasks that are reached at less than this share of a random draw's pace starve, judged by at least"""
_FEWEST_FIRST = 25
"""first selections of a random draw, and more than"""
_MANY_NEVER = 0.2
"""this share of the pool: of a few it is known why."""
_MOVED = {1: "rose", 0: "has not clearly moved", -1: "fell"}
_LOW_ETR = 0.35
_MUCH = 0.8
_MANY_DROPS = 0.1
_LATE = 4.0


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


def advisories(state: RunState) -> list[Advisory]:
    """What there is to say of a run. Takes no longer for a large pool than for a small one."""
    return [
        _learning(state),
        _starving(state),
        _honest(state),
        *_stuck(state),
        *_uninformative(state),
        *_used_up(state),
        *_drops(state),
        *_relapsed(state),
        *_stale(state),
    ]


def _learning(state: RunState) -> Advisory:
    too_early = Advisory("learning", "ok", f"Too early to say: {_counted(state.step, 'commit')} so far.")
    if state.step < _FEWEST_COMMITS:
        return too_early
    moves = capability_moves(state)
    if moves:
        scale = state.config.posterior.capability_scale
        if any(not -1.0 <= move.late <= 2.0 for move in moves.values()):
            scale = f"{scale} So far from them it is a guess."
        return _moved("Capability", moves, scale)
    noted = state.course.histograms()
    if len(noted) < 2:
        return too_early
    rates = Move.of([_mean(each["tasks"]) for each in noted])
    return _moved("The pass rate that is expected over all tasks", {"": rates}, "")


def _moved(what: str, moves: Mapping[str, Move], scale: str) -> Advisory:
    """Which way a figure has moved, by domain if there are several."""
    directions = sorted({move.direction for move in moves.values()}, reverse=True)
    if len(moves) == 1:
        ((_, move),) = moves.items()
        told = f"{_MOVED[move.direction]} from {_number(move.early)} to {_number(move.late)}"
    else:
        parts = {
            each: [
                f"`{name}` ({_number(move.early)} → {_number(move.late)})"
                for name, move in moves.items()
                if move.direction == each
            ]
            for each in directions
        }
        told = ", ".join(f"{_MOVED[each]} in {_some(parts[each])}" for each in directions)
    level = "ok" if directions[0] > 0 and directions[-1] >= 0 else "look"
    text = f"{what} {told}, from the run's second fifth to its last. {scale}"
    return Advisory("learning", level, text.rstrip())


def _starving(state: RunState) -> Advisory:
    never, size = state.size - state.history.ever_selected, state.size
    if not size:
        return Advisory("starving", "look", "The run has no tasks.")
    text = f"{_counted(never, 'task')} of {size:,} ({_percent(never / size)}) never selected."
    is_starving = False
    groups = sum(reported for commit in state.recent for _, reported in commit.values())
    at, then = state.course.never_selected(state.step - len(state.recent)) or (0, size)
    commits = state.step - at
    if never and commits and then >= never:
        at_random = then * (1.0 - (1.0 - 1.0 / size) ** (groups * commits / len(state.recent)))
        is_enough = at_random >= _FEWEST_FIRST and never > _MANY_NEVER * size
        is_starving = is_enough and then - never < _SLOW * at_random
        text = (
            f"{text} First selections in the last {_counted(commits, 'commit')}: {then - never:,}; a random draw "
            f"would have made about {at_random:,.0f}."
        )
    unwanted = [name for name, share in state.config.policy.shares.items() if share == 0.0]
    if unwanted:
        text = f"Nothing is drawn from {_named(unwanted)}: the share is 0. {text}"
    absent = list(_absent(state))
    if absent:
        text = f"No task of {_named(absent)} was reported in the last {RECENT_COMMITS} commits. {text}"
    return Advisory("starving", "look" if absent or is_starving else "ok", text)


def _absent(state: RunState) -> Iterator[str]:
    """Domains that have tasks and ought to be drawn from, and of which none was reported of late."""
    if len(state.recent) < RECENT_COMMITS:
        return
    shares = state.config.policy.shares
    here = {code for commit in state.recent for code in commit}
    for code, name in enumerate(state.domains(MAX_DOMAINS)):
        is_wanted = state.config.policy.domains is None or shares.get(name, 0.0) > 0
        if is_wanted and code not in here:
            yield name


def _honest(state: RunState) -> Advisory:
    calibration = Calibration.of(state.calibration)
    domains = by_domain(state.calibration, state.domains(MAX_DOMAINS))
    predicted, seen = calibration.predicted, calibration.seen
    if calibration.groups < _FEWEST_GROUPS or predicted is None or seen is None:
        return Advisory(
            "honest", "ok", f"Too early to say: {_counted(calibration.groups, 'predicted group')} so far."
        )
    off = [f"`{name}` ({_off(each)})" for name, each in domains.items() if _is_off(each)]
    whole = CalibrationBin(calibration.groups, predicted, seen)
    told = (
        f"Over the last {_counted(calibration.groups, 'group')} a pass rate of {predicted:.2f} was expected and "
        f"{seen:.2f} seen; calibration error {error_of(calibration.bins):.2f}, good is under {_OFF}."
    )
    if off:
        return Advisory("honest", "look", f"Predictions are off in {', '.join(off)}. {told}")
    if _is_off(whole):
        return Advisory("honest", "look", f"Predictions are {_off(whole)}. {told}")
    if _scatters(calibration.bins):
        return Advisory("honest", "look", f"Predictions are off, some too high and some too low. {told}")
    return Advisory("honest", "ok", told)


def _is_off(groups: CalibrationBin) -> bool:
    noise = 3 * _SPREAD / sqrt(groups.groups)
    return groups.groups >= _FEWEST_GROUPS and abs(groups.predicted - groups.seen) > max(_OFF, noise)


def _scatters(bins: Sequence[CalibrationBin]) -> bool:
    """Whether tenths are off although their errors cancel out."""
    groups = sum(each.groups for each in bins)
    noise = sum(sqrt(each.groups) for each in bins) * _SPREAD * 0.8 / groups  # E|N(0, 1)| = 0.8
    return (error_of(bins) or 0.0) > _OFF + noise


def _off(groups: CalibrationBin) -> str:
    difference = groups.predicted - groups.seen
    return f"{abs(difference):.2f} too {'high' if difference > 0 else 'low'}"


def _stuck(state: RunState) -> Iterator[Advisory]:
    stuck = state.history.streaks.stuck
    if stuck:
        failed = "failed in every rollout of each of" + (" its" if stuck == 1 else " their")
        yield Advisory(
            "stuck",
            "look",
            f"{_counted(stuck, 'task')} {failed} last {STUCK} groups: look at "
            f"{'it' if stuck == 1 else 'them'}. The answer or its check may be wrong, or "
            f"{'it is' if stuck == 1 else 'they are'} too hard.",
        )


def _uninformative(state: RunState) -> Iterator[Advisory]:
    ratio = state.effective_task_ratio()
    if ratio is not None and len(state.recent) == RECENT_COMMITS and ratio < _LOW_ETR:
        yield Advisory(
            "informative",
            "look",
            f"Only {_percent(ratio)} of the groups of the last {RECENT_COMMITS} commits were informative: in the "
            "others all rollouts passed, or all failed.",
        )


def _used_up(state: RunState) -> Iterator[Advisory]:
    noted = state.course.histograms()
    if not noted or not state.size:
        return
    counts = noted[-1]["tasks"]
    ends = (counts[0] + counts[-1]) / max(sum(counts), 1)
    if ends > _MUCH:
        yield Advisory(
            "used-up",
            "look",
            f"{_percent(ends)} of the tasks are expected to pass in fewer than 1 of 10 rollouts or in more than 9: "
            "little is left to learn from this pool.",
        )


def _drops(state: RunState) -> Iterator[Advisory]:
    cooling = state.history.tallies.cooling_count(state.step)
    handed = int(state.course.groups) + state.dropped
    if state.dropped and (state.dropped > _MANY_DROPS * handed or cooling):
        reason = max(state.drops, key=lambda name: state.drops[name])
        share = state.dropped / max(handed, 1)
        yield Advisory(
            "drops",
            "look" if share > _MANY_DROPS else "ok",
            f"{_counted(state.dropped, 'drop')}, {_percent(share)} of what was handed out; the most frequent "
            f"reason is `{reason}`. {_counted(cooling, 'task')} {'cools' if cooling == 1 else 'cool'} down now.",
        )


def _relapsed(state: RunState) -> Iterator[Advisory]:
    solved, relapsed = state.history.streaks.solved, state.history.streaks.relapsed
    # Whoever passes often passes every rollout by luck now and then: what tells is that fewer are solved.
    if relapsed >= 10 and state.course.most_solved - solved > 2 * sqrt(state.course.most_solved):
        yield Advisory(
            "relapsed",
            "look",
            f"{_counted(relapsed, 'task')} that once passed in every rollout did not when last seen; "
            f"{solved:,} did.",
        )


def _stale(state: RunState) -> Iterator[Advisory]:
    mean = state.staleness.mean()
    if mean is not None and mean > _LATE:
        yield Advisory(
            "stale",
            "look",
            f"Outcomes of the last {RECENT_COMMITS} commits were {mean:.1f} policy versions behind the newest, on "
            "average.",
        )


def _mean(counts: list[int]) -> float:
    """The mean of rates of which only the tenth is known."""
    return float(np.average((np.arange(BINS) + 0.5) / BINS, weights=counts)) if sum(counts) else 0.0


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{int(100 * share + 0.5)} %"


def _named(names: Iterable[str]) -> str:
    return _some([f"`{name}`" for name in names])


def _some(listed: Sequence[str]) -> str:
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more domains" if len(listed) > 6 else "")
