"""What a run's figures say in words: the three questions that are asked of each, and what to look at besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt

from selector_api.core.advisory import Advisory, counted, mostly_in, percent
from selector_api.core.domains import DomainTasks
from selector_api.core.moves import Move
from selector_api.core.questions import honest, learning, starving
from selector_api.core.state import RECENT_COMMITS, RunState
from selector_api.core.streaks import STUCK

_LOW_ETR = 0.35
_MUCH = 0.8
_MANY_DROPS = 0.1
_LATE = 4.0
_NOT_LEARNED = 0.2
"""A pass rate that is not expected any more of tasks that fail again and again."""


def advisories(
    state: RunState, domains: Mapping[str, DomainTasks], moves: Mapping[str, Move]
) -> list[Advisory]:
    """What there is to say of a run, its `domains`, and how far the capability `moves` in them."""
    return [
        learning(state, moves),
        starving(state, domains),
        honest(state, domains, moves),
        *_stuck(state, domains),
        *_uninformative(state),
        *_used_up(state),
        *_drops(state, domains),
        *_relapsed(state),
        *_stale(state),
    ]


def _stuck(state: RunState, domains: Mapping[str, DomainTasks]) -> Iterator[Advisory]:
    stuck = state.history.streaks.stuck
    if stuck:
        domain = mostly_in({name: each.stuck for name, each in domains.items()}, stuck)
        where = f" ({domains[domain].stuck:,} in `{domain}`)" if domain else ""
        mean = float(state.posterior.of_tasks(state.history.stuck()).mean().mean())
        expected = (
            f" A pass rate of {mean:.2f} is still expected: exclude what is broken."
            if mean > _NOT_LEARNED
            else ""
        )
        failed = "failed in every rollout of each of" + (" its" if stuck == 1 else " their")
        yield Advisory(
            "stuck",
            "look",
            f"{counted(stuck, 'task')}{where} {failed} last {STUCK} groups: look at "
            f"{'it' if stuck == 1 else 'them'}. The answer or its check may be wrong, or "
            f"{'it is' if stuck == 1 else 'they are'} too hard.{expected}",
        )


def _uninformative(state: RunState) -> Iterator[Advisory]:
    ratio = state.effective_task_ratio()
    if ratio is not None and len(state.recent) == RECENT_COMMITS and ratio < _LOW_ETR:
        yield Advisory(
            "informative",
            "look",
            f"Only {percent(ratio)} of the groups of the last {RECENT_COMMITS} commits were informative: in the "
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
            f"{percent(ends)} of the tasks are expected to pass in fewer than 1 of 10 rollouts or in more than 9: "
            "little is left to learn from this pool.",
        )


def _drops(state: RunState, domains: Mapping[str, DomainTasks]) -> Iterator[Advisory]:
    cooling = state.history.tallies.cooling_count(state.step)
    handed = int(state.course.groups) + state.dropped
    if state.dropped and (state.dropped > _MANY_DROPS * handed or cooling):
        reason = max(state.drops, key=lambda name: state.drops[name])
        share = state.dropped / max(handed, 1)
        domain = mostly_in({name: each.dropped for name, each in domains.items()}, state.dropped)
        where = f" ({domains[domain].dropped:,} in `{domain}`)" if domain else ""
        yield Advisory(
            "drops",
            "look" if share > _MANY_DROPS else "ok",
            f"{counted(state.dropped, 'drop')}{where}, {percent(share)} of what was handed out; the most frequent "
            f"reason is `{reason}`. {counted(cooling, 'task')} {'cools' if cooling == 1 else 'cool'} down now.",
        )


def _relapsed(state: RunState) -> Iterator[Advisory]:
    solved, relapsed = state.history.streaks.solved, state.history.streaks.relapsed
    # Whoever passes often passes every rollout by luck now and then: what tells is that fewer are solved.
    if relapsed >= 10 and state.course.most_solved - solved > 2 * sqrt(state.course.most_solved):
        yield Advisory(
            "relapsed",
            "look",
            f"{counted(relapsed, 'task')} that once passed in every rollout did not when last seen; "
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
