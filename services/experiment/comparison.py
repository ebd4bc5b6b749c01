"""The figures of an experiment: means and intervals of each policy, and against the baseline seed by seed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from services.experiment import statistics
from services.experiment.measures import Measures, Unit
from services.experiment.statistics import Calibration, Estimate, Forecasts, Reached, estimate

GAIN_SHARES = (0.5, 0.75, 1.0)
TRAINING_SHARES = (0.25, 0.5, 0.75, 1.0)
COSTS: tuple[Unit, ...] = ("rollouts", "tokens", "seconds")

Seeds = Mapping[int, Measures]
Pairs = Sequence[tuple[Measures, Measures]]
T = TypeVar("T")


@dataclass(frozen=True)
class CalibrationFigures:
    """The parts of `statistics.Calibration`, over seeds; `error` is the calibration error of all seeds pooled."""

    brier: Estimate | None
    reliability: Estimate | None
    resolution: Estimate | None
    uncertainty: Estimate | None
    sampling_noise: Estimate | None
    error: float | None


@dataclass(frozen=True)
class PolicyFigures:
    """What came out for one policy: over its finished seeds, or over pairs, where it says so.

    A pair is its training and the baseline's of the same seed, both finished.

    `ttb` is by what it costs and by share of the baseline's gain, `own_gain` the cost of a share of the policy's
    own gain; `bsf` is by share of training.
    """

    seeds: list[int]
    paired_seeds: list[int]
    etr: Estimate | None
    etr_difference: Estimate | None
    start_accuracy: Estimate | None
    final_accuracy: Estimate | None
    final_accuracy_difference: Estimate | None
    late_accuracy: Estimate | None
    late_accuracy_difference: Estimate | None
    informative_share: Estimate | None
    never_selected: Estimate | None
    rollouts: Estimate | None
    rollouts_ratio: Estimate | None
    tokens: Estimate | None
    tokens_ratio: Estimate | None
    step_seconds: Estimate | None
    selector_share: Estimate | None
    own_gain: dict[Unit, dict[float, Estimate | None]]
    ttb: dict[Unit, dict[float, Reached | None]]
    bsf: dict[float, Estimate | None]
    calibration: CalibrationFigures
    fallback_selections: int


def compare(policies: Mapping[str, Seeds], baseline: str) -> dict[str, PolicyFigures]:
    """The figures of every policy from its finished trainings, by seed."""
    return {policy: _figures(seeds, policies[baseline]) for policy, seeds in policies.items()}


def late_difference(own: Seeds, other: Seeds) -> Estimate | None:
    """How much higher the late accuracy of one policy is than another's, by the seeds that both have finished."""
    both = [seed for seed in own if seed in other]
    return estimate([own[seed].late_accuracy - other[seed].late_accuracy for seed in both])


def pooled_forecasts(seeds: Seeds) -> Forecasts:
    """The forecasts of all seeds together."""
    each = [measures.forecasts for measures in seeds.values()]
    return Forecasts(
        np.concatenate([forecasts.means for forecasts in each]),
        np.concatenate([forecasts.rates for forecasts in each]),
        np.concatenate([forecasts.trials for forecasts in each]),
    )


def _figures(seeds: Seeds, baseline: Seeds) -> PolicyFigures:
    paired = [seed for seed in seeds if seed in baseline]
    pairs = [(seeds[seed], baseline[seed]) for seed in paired]

    def over_seeds(value: Callable[[Measures], float | None]) -> Estimate | None:
        return _estimate(map(value, seeds.values()))

    def over_pairs(value: Callable[[Measures, Measures], float | None]) -> Estimate | None:
        return _estimate(value(own, other) for own, other in pairs)

    return PolicyFigures(
        seeds=list(seeds),
        paired_seeds=paired,
        etr=over_seeds(lambda own: float(own.etr.mean())),
        etr_difference=over_pairs(lambda own, other: float(own.etr.mean() - other.etr.mean())),
        start_accuracy=over_seeds(lambda own: own.start_accuracy),
        final_accuracy=over_seeds(lambda own: own.final_accuracy),
        final_accuracy_difference=over_pairs(lambda own, other: own.final_accuracy - other.final_accuracy),
        late_accuracy=over_seeds(lambda own: own.late_accuracy),
        late_accuracy_difference=late_difference(seeds, baseline),
        informative_share=over_seeds(lambda own: own.informative_share),
        never_selected=over_seeds(lambda own: own.never_selected),
        rollouts=over_seeds(lambda own: own.rollouts),
        rollouts_ratio=over_pairs(
            lambda own, other: own.rollouts / other.rollouts if other.rollouts else None
        ),
        tokens=over_seeds(lambda own: own.tokens),
        tokens_ratio=over_pairs(lambda own, other: own.tokens / other.tokens if other.tokens else None),
        step_seconds=over_seeds(lambda own: own.step_seconds),
        selector_share=over_seeds(lambda own: own.selector_share),
        own_gain={
            unit: {
                share: over_seeds(
                    lambda own, unit=unit, share=share: statistics.time_to_gain(own.accuracy_by[unit], share)
                )
                for share in GAIN_SHARES
            }
            for unit in COSTS
        },
        ttb={unit: {share: _time_to_baseline(pairs, unit, share) for share in GAIN_SHARES} for unit in COSTS},
        bsf={
            share: over_pairs(
                lambda own, other, share=share: statistics.best_so_far(
                    own.accuracy_by["steps"], other.accuracy_by["steps"], share * other.steps
                )
            )
            for share in TRAINING_SHARES
        },
        calibration=_calibration(seeds),
        fallback_selections=sum(measures.fallbacks for measures in seeds.values()),
    )


def _time_to_baseline(pairs: Pairs, unit: Unit, share: float) -> Reached | None:
    each = (
        statistics.time_to_baseline(own.accuracy_by[unit], other.accuracy_by[unit], share)
        for own, other in pairs
    )
    return statistics.estimate_reach(_known(each))


def _calibration(seeds: Seeds) -> CalibrationFigures:
    each = _known(statistics.calibration(measures.forecasts) for measures in seeds.values())

    def over_seeds(part: Callable[[Calibration], float | None]) -> Estimate | None:
        return _estimate(map(part, each))

    return CalibrationFigures(
        brier=over_seeds(lambda score: score.brier),
        reliability=over_seeds(lambda score: score.reliability),
        resolution=over_seeds(lambda score: score.resolution),
        uncertainty=over_seeds(lambda score: score.uncertainty),
        sampling_noise=over_seeds(lambda score: score.sampling_noise),
        error=statistics.calibration_error(pooled_forecasts(seeds)) if seeds else None,
    )


def _estimate(values: Iterable[float | None]) -> Estimate | None:
    return estimate(_known(values))


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]
