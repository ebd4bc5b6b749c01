"""The three questions that are asked of every run: is it learning, what starves, is it honest?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt

import numpy as np

from selector_api.core.advisory import Advisory, counted, named, number, percent, some
from selector_api.core.calibration import Calibration, CalibrationBin, by_domain, error_of
from selector_api.core.course import BINS, MAX_DOMAINS
from selector_api.core.domains import DomainTasks
from selector_api.core.moves import Move
from selector_api.core.state import RECENT_COMMITS, RunState

_FEWEST_GROUPS = 50
"""Groups from which on a difference of predicted and seen rates means something."""
_FEWEST_COMMITS = 16
_OFF = 0.05
"""By how much predictions may be off on average."""
_SPREAD = 0.5
"""By how much pass rates of single groups spread around what is expected, at most."""
_FAR_OFF = 0.15
"""By how much what is expected of tasks that are left alone may be off from what was seen of them."""
_FEWEST_LEFT = 20
_SLOW = 0.1
"""Tasks that are reached at less than this share of a random draw's pace starve, judged by at least"""
_FEWEST_FIRST = 25
"""first selections of a random draw, and more than"""
_MANY_NEVER = 0.2
"""this share of the pool: of a few it is known why."""
_LOST = 1 / 3
"""A domain starves of which more than this share is dropped."""
_MOVED = {1: "rose", 0: "has not clearly moved", -1: "fell"}


def learning(state: RunState, moves: Mapping[str, Move]) -> Advisory:
    """Which way the model's capability goes."""
    too_early = Advisory("learning", "ok", f"Too early to say: {counted(state.step, 'commit')} so far.")
    if state.step < _FEWEST_COMMITS:
        return too_early
    if moves:
        scale = state.config.posterior.capability_scale
        far = [name for name, move in moves.items() if not -1.0 <= move.late <= 2.0]
        if far:
            scale = f"{scale} So far from them as in {named(far)} it is a guess."
        return _moved("Capability", moves, scale)
    noted = state.course.histograms()
    if len(noted) < 2:
        return too_early
    rates = Move.of([each["step"] for each in noted], [_mean(each["tasks"]) for each in noted])
    return _moved("The pass rate that is expected over all tasks", {"": rates}, "")


def _moved(what: str, moves: Mapping[str, Move], scale: str) -> Advisory:
    """Which way a figure has moved, by domain if there are several."""
    directions = sorted({move.direction for move in moves.values()}, reverse=True)
    if len(moves) == 1:
        ((_, move),) = moves.items()
        told = f"{_MOVED[move.direction]} ({_way(move)})"
    else:
        parts = {
            each: [f"`{name}` ({_way(move)})" for name, move in moves.items() if move.direction == each]
            for each in directions
        }
        told = ", ".join(f"{_MOVED[each]} in {some(parts[each])}" for each in directions)
    has_fallen = any(turn.value > move.late for move in moves.values() for turn in move.turns)
    level = "ok" if directions[0] > 0 and directions[-1] >= 0 and not has_fallen else "look"
    text = f"{what} {told}, from the run's second fifth to its last. {scale}"
    return Advisory("learning", level, text.rstrip())


def _way(move: Move) -> str:
    turns = [f"{number(turn.value)} at step {turn.step:,}" for turn in move.turns]
    return " → ".join([number(move.early), *turns, number(move.late)])


def starving(state: RunState, domains: Mapping[str, DomainTasks]) -> Advisory:
    """Which tasks are hardly ever reached."""
    never, size = state.size - state.history.ever_selected, state.size
    if not size:
        return Advisory("starving", "look", "The run has no tasks.")
    where = _most_in(never, size, domains)
    text = f"{counted(never, 'task')} of {size:,} ({percent(never / size)}) never selected{where}."
    is_starving = False
    groups = sum(reported for commit in state.recent for _, reported in commit.values())
    at, then = state.course.never_selected(state.step - len(state.recent)) or (0, size)
    commits = state.step - at
    if never and commits and then >= never:
        at_random = then * (1.0 - (1.0 - 1.0 / size) ** (groups * commits / len(state.recent)))
        is_enough = at_random >= _FEWEST_FIRST and never > _MANY_NEVER * size
        is_starving = is_enough and then - never < _SLOW * at_random
        text = (
            f"{text} First selections in the last {counted(commits, 'commit')}: {then - never:,}; a random draw "
            f"would have made about {at_random:,.0f}."
        )
    unwanted = [name for name, share in state.config.policy.shares.items() if share == 0.0]
    if unwanted:
        text = f"Nothing is drawn from {named(unwanted)}: the share is 0. {text}"
    absent = list(_absent(state))
    if absent:
        text = f"No task of {named(absent)} was reported in the last {RECENT_COMMITS} commits. {text}"
    lost = [
        f"{percent(each.dropped / each.selected)} of what was handed out of `{name}`"
        for name, each in domains.items()
        if each.selected >= _FEWEST_GROUPS and each.dropped > _LOST * each.selected
    ]
    if lost:
        text = f"Dropped: {some(lost)}. {text}"
    return Advisory("starving", "look" if absent or lost or is_starving else "ok", text)


def _most_in(never: int, size: int, domains: Mapping[str, DomainTasks]) -> str:
    """The domain that has most of what was never selected, if that is more than its size explains."""
    for name, each in domains.items():
        if 2 * each.never_selected > never and each.never_selected * size > 1.5 * never * each.tasks:
            return f", {each.never_selected:,} of them in `{name}`, which has {each.tasks:,}"
    return ""


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


def honest(state: RunState, domains: Mapping[str, DomainTasks], moves: Mapping[str, Move]) -> Advisory:
    """Whether what was expected of selected tasks was seen, and what is expected of those left alone."""
    calibration = Calibration.of(state.calibration)
    predicted, seen = calibration.predicted, calibration.seen
    if calibration.groups < _FEWEST_GROUPS or predicted is None or seen is None:
        return Advisory(
            "honest", "ok", f"Too early to say: {counted(calibration.groups, 'predicted group')} so far."
        )
    selected = by_domain(state.calibration, state.domains(MAX_DOMAINS))
    off = [f"`{name}` ({_off(each)})" for name, each in selected.items() if _is_off(each)]
    whole = CalibrationBin(calibration.groups, predicted, seen)
    told = (
        f"Over the last {counted(calibration.groups, 'group')} of selected tasks a pass rate of {predicted:.2f} "
        f"was expected and {seen:.2f} seen; calibration error {error_of(calibration.bins):.3f}, good is under "
        f"{_OFF}."
    )
    wrong = ""
    if off:
        wrong = f"Predictions are off in {', '.join(off)}. "
    elif _is_off(whole):
        wrong = f"Predictions are {_off(whole)}. "
    elif _scatters(calibration.bins):
        wrong = "Predictions are off, some too high and some too low. "
    alone = list(_left_alone(domains, moves))
    return Advisory("honest", "look" if wrong or alone else "ok", wrong + " ".join([told, *alone]))


def _left_alone(domains: Mapping[str, DomainTasks], moves: Mapping[str, Move]) -> Iterator[str]:
    """Of domains whose tasks are expected to pass as they never did, though the model has not moved that way."""
    for name, each in domains.items():
        left = each.left_alone
        if left is None or left.tasks < _FEWEST_LEFT or abs(left.expected - left.passed) < _FAR_OFF:
            continue
        direction = moves[name].direction if name in moves else 0
        if direction != (1 if left.expected > left.passed else -1):
            yield (
                f"Left alone for half of the run, {left.tasks:,} tasks of `{name}` are expected to pass "
                f"{left.expected:.2f} now; when they were tried they passed {left.passed:.2f}."
            )


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


def _mean(counts: list[int]) -> float:
    """The mean of rates of which only the tenth is known."""
    return float(np.average((np.arange(BINS) + 0.5) / BINS, weights=counts)) if sum(counts) else 0.0
