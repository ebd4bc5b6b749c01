"""What a run's figures say in words: is the model learning, what starves, are predictions honest, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Literal

import numpy as np

from selector_api.core.calibration import Calibration, CalibrationBin, by_domain, error_of
from selector_api.core.course import BINS, MAX_DOMAINS
from selector_api.core.fields import schema
from selector_api.core.state import RECENT_COMMITS, RunState
from selector_api.core.streaks import STUCK

_FEWEST_GROUPS = 50
"""Groups from which on a difference of predicted and seen rates means something."""
_FEWEST_COMMITS = 16
_OFF = 0.05
"""By how much predictions may be off on average."""
_LITTLE = 0.01
"""A change of capability that nobody calls one."""
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
    if state.step < _FEWEST_COMMITS:
        return Advisory("learning", "ok", f"Too early to say: {_counted(state.step, 'commit')} so far.")
    first, last = state.course.capability_at_ends()
    known = sorted(first.keys() & last.keys())
    if known:
        begun, now = fmean(first[code] for code in known), fmean(last[code] for code in known)
        domains = state.domains(MAX_DOMAINS)
        parts = [f"`{domains[code]}` {first[code]:.2f} → {last[code]:.2f}" for code in known]
        more = f" ({', '.join(parts[:6])}{', …' if len(parts) > 6 else ''})" if len(parts) > 1 else ""
        return _change("Capability", begun, now, f"in {state.step:,} commits{more}")
    noted = state.course.histograms()
    if len(noted) < 2:
        return Advisory("learning", "ok", f"Too early to say: {_counted(state.step, 'commit')} so far.")
    begun, now = _mean(noted[0]["tasks"]), _mean(noted[-1]["tasks"])
    between = f"between the steps {noted[0]['step']:,} and {noted[-1]['step']:,}"
    return _change("The pass rate that is expected over all tasks", begun, now, between)


def _change(what: str, begun: float, now: float, when: str) -> Advisory:
    if abs(now - begun) < _LITTLE:
        return Advisory("learning", "look", f"{what} has not moved: {begun:.2f}, then {now:.2f} {when}.")
    moved = "rose" if now > begun else "fell"
    level = "ok" if now > begun else "look"
    return Advisory("learning", level, f"{what} {moved} from {begun:.2f} to {now:.2f} {when}.")


def _starving(state: RunState) -> Advisory:
    never, size = state.size - state.history.ever_selected, state.size
    if not size:
        return Advisory("starving", "look", "The run has no tasks.")
    text = f"{_counted(never, 'task')} of {size:,} ({_percent(never / size)}) never selected."
    groups = sum(reported for commit in state.recent for _, reported in commit.values())
    if never and groups:
        pace = -(-never * len(state.recent) // groups)
        text += f" To select each once takes at least {_counted(pace, 'further commit')} at this pace."
    absent = list(_absent(state))
    if absent:
        names = _named(absent)
        text = f"No task of {names} was reported in the last {RECENT_COMMITS} commits. {text}"
    return Advisory("starving", "look" if absent else "ok", text)


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
        f"{seen:.2f} seen; by tenths they are {error_of(calibration.bins):.2f} apart."
    )
    if off:
        return Advisory("honest", "look", f"Predictions are off in {', '.join(off)}. {told}")
    if _is_off(whole):
        return Advisory("honest", "look", f"Predictions are {_off(whole)}. {told}")
    return Advisory("honest", "ok", told)


def _is_off(groups: CalibrationBin) -> bool:
    # Pass rates of single groups spread by at most 0.5 around what is expected.
    noise = 3 * 0.5 / sqrt(groups.groups)
    return groups.groups >= _FEWEST_GROUPS and abs(groups.predicted - groups.seen) > max(_OFF, noise)


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
    if relapsed >= 10 and relapsed > solved / 2:
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


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _named(names: Iterable[str]) -> str:
    listed = [f"`{name}`" for name in names]
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more domains" if len(listed) > 6 else "")
