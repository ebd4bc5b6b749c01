from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.classes import Classes
from selector_api.core.posteriors.interpolation import CapabilityInterpolation, Interpolation
from tests.core.runs import table_of

ROWS = [
    ("easy", "m", {"w": 0.5, "s": 1.0}),
    ("hard", "m", {"w": 0.0, "s": 0.5}),
    ("flat", "m", {"w": 0.5, "s": 0.51}),
    ("bare", "m", {"w": 0.5}),
    ("other", "x", {"w": 0.25, "s": 0.75}),
]
CLASSES = Classes.of(("w", "s")).grown(table_of(ROWS), len(ROWS))


def observed(*batches: dict[int, float]) -> CapabilityInterpolation:
    predictor = CapabilityInterpolation(Interpolation("w", "s"))
    for batch in batches:
        predictor.observe(CLASSES, np.array(list(batch)), np.array(list(batch.values())))
    return predictor


def predictions(predictor: CapabilityInterpolation) -> list[float]:
    return predictor.predict(CLASSES)[CLASSES.of_task].tolist()


def test_the_first_batch_sets_the_capability_and_later_ones_smooth_it():
    assert observed({0: 0.75}).capability == {0: pytest.approx(0.5, rel=1e-5)}
    assert observed({0: 0.75}, {1: 0.5}).capability == {0: pytest.approx(0.9 * 0.5 + 0.1 * 1.0, rel=1e-5)}


def test_predictions_stand_between_the_references():
    assert predictions(observed({0: 0.75})) == pytest.approx(
        [0.75, 0.25, 0.505, np.nan, np.nan], rel=1e-5, nan_ok=True
    )


def test_predictions_stay_within_0_and_1():
    assert predictions(observed({0: 0.0}))[1] == 0.0
    assert predictions(observed({1: 1.0}))[0] == 1.0


def test_an_uninformative_batch_leaves_the_capability_alone():
    assert observed({2: 1.0}).capability == {}
    assert observed({0: 0.75}, {2: 1.0}).capability == observed({0: 0.75}).capability


def test_a_task_without_both_references_does_not_count():
    assert observed({3: 1.0}).capability == {}
    assert observed({0: 0.75, 3: 0.0}).capability == observed({0: 0.75}).capability


def test_each_domain_has_its_own_capability():
    both = observed({0: 0.75, 4: 0.25})
    assert both.capability == {0: pytest.approx(0.5, rel=1e-5), 1: pytest.approx(0.0, abs=1e-5)}
