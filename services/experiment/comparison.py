"""The figures of an experiment: means and intervals of each policy, and against the baseline seed by seed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from services.experiment import statistics
from services.experiment.measures import Measures
from services.experiment.statistics import Calibration, Curve, Estimate, Forecasts, Reached, estimate

GAIN_SHARES = (0.5, 0.75, 1.0)
TRAINING_SHARES = (0.25, 0.5, 0.75, 1.0)

Seeds = Mapping[int, Measures]
Pairs = Sequence[tuple[Measures, Measures]]
T = TypeVar("T")


@dataclass(frozen=True)
class CalibrationFigures:
    """The parts of `statistics.Calibration`, over seeds."""

    brier: Estimate | None
    reliability: Estimate | None
    resolution: Estimate | None
    uncertainty: Estimate | None
    sampling_noise: Estimate | None


@dataclass(frozen=True)
class PolicyFigures:
    """What came out for one policy: over its finished seeds, or over pairs, where it says so.

    A pair is its training and the baseline's of the same seed, both finished.

    `ttb_…` are by share of the baseline's gain, `bsf` by share of training; `own_gain_steps` are the steps to a
    share of the policy's own gain, by share.
    """

    seeds: list[int]
    paired_seeds: list[int]
    etr: Estimate | None
    etr_difference: Estimate | None
    start_accuracy: Estimate | None
    final_accuracy: Estimate | None
    final_accuracy_difference: Estimate | None
    tokens: Estimate | None
    tokens_ratio: Estimate | None
    step_seconds: Estimate | None
    selector_share: Estimate | None
    own_gain_steps: dict[float, Estimate | None]
    ttb_steps: dict[float, Reached | None]
    ttb_tokens: dict[float, Reached | None]
    bsf: dict[float, Estimate | None]
    calibration: CalibrationFigures
    fallback_selections: int


def compare(policies: Mapping[str, Seeds], baseline: str) -> dict[str, PolicyFigures]:
    """The figures of every policy from its finished trainings, by seed."""
    return {policy: _figures(seeds, policies[baseline]) for policy, seeds in policies.items()}


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
        tokens=over_seeds(lambda own: own.tokens),
        tokens_ratio=over_pairs(lambda own, other: own.tokens / other.tokens if other.tokens else None),
        step_seconds=over_seeds(lambda own: own.step_seconds),
        selector_share=over_seeds(lambda own: own.selector_share),
        own_gain_steps={
            share: over_seeds(lambda own, share=share: statistics.time_to_gain(own.accuracy_by_steps, share))
            for share in GAIN_SHARES
        },
        ttb_steps=_times_to_baseline(pairs, lambda measures: measures.accuracy_by_steps),
        ttb_tokens=_times_to_baseline(pairs, lambda measures: measures.accuracy_by_tokens),
        bsf={
            share: over_pairs(
                lambda own, other, share=share: statistics.best_so_far(
                    own.accuracy_by_steps, other.accuracy_by_steps, share * other.steps
                )
            )
            for share in TRAINING_SHARES
        },
        calibration=_calibration(seeds),
        fallback_selections=sum(measures.fallbacks for measures in seeds.values()),
    )


def _times_to_baseline(pairs: Pairs, curve: Callable[[Measures], Curve]) -> dict[float, Reached | None]:
    return {
        share: statistics.estimate_reach(
            _known(statistics.time_to_baseline(curve(own), curve(other), share) for own, other in pairs)
        )
        for share in GAIN_SHARES
    }


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
    )


def _estimate(values: Iterable[float | None]) -> Estimate | None:
    return estimate(_known(values))


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]
