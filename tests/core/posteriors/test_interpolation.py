from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.classes import Classes
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Capability, Interpolation
from tests.core.runs import table_of

ROWS = [
    ("easy", "m", {"w": 0.5, "s": 1.0}),
    ("hard", "m", {"w": 0.0, "s": 0.5}),
    ("flat", "m", {"w": 0.5, "s": 0.51}),
    ("bare", "m", {"w": 0.5}),
    ("other", "x", {"w": 0.25, "s": 0.75}),
]
TABLE = table_of(ROWS)
RATES = Bots(implicit=Interpolation("w", "s")).rates(TABLE, slice(0, len(ROWS)))
CLASSES = Classes.of(2).grown(TABLE.domain_codes, RATES)


def observed(*batches: dict[int, float]) -> Capability:
    capability = Capability(Interpolation("w", "s"))
    for batch in batches:
        capability.observe(CLASSES, np.array(list(batch)), np.array(list(batch.values())))
    return capability


def predictions(capability: Capability) -> list[float]:
    return capability.predict(CLASSES)[CLASSES.of_task].tolist()


def test_the_first_batch_sets_the_capability_and_later_ones_smooth_it():
    assert observed({0: 0.75}).by_domain == {0: pytest.approx(0.5, rel=1e-5)}
    assert observed({0: 0.75}, {1: 0.5}).by_domain == {0: pytest.approx(0.9 * 0.5 + 0.1 * 1.0, rel=1e-5)}


def test_predictions_stand_between_the_references():
    assert predictions(observed({0: 0.75})) == pytest.approx(
        [0.75, 0.25, 0.505, np.nan, np.nan], rel=1e-5, nan_ok=True
    )


def test_predictions_stay_within_0_and_1():
    assert predictions(observed({0: 0.0}))[1] == 0.0
    assert predictions(observed({1: 1.0}))[0] == 1.0


def test_an_uninformative_batch_leaves_the_capability_alone():
    assert observed({2: 1.0}).by_domain == {}
    assert observed({0: 0.75}, {2: 1.0}).by_domain == observed({0: 0.75}).by_domain


def test_a_task_without_both_references_does_not_count():
    assert observed({3: 1.0}).by_domain == {}
    assert observed({0: 0.75, 3: 0.0}).by_domain == observed({0: 0.75}).by_domain


def test_each_domain_has_its_own_capability():
    both = observed({0: 0.75, 4: 0.25})
    assert both.by_domain == {0: pytest.approx(0.5, rel=1e-5), 1: pytest.approx(0.0, abs=1e-5)}
