"""The yardstick of a posterior: a real run's pass counts in their order, replayed under posteriors.

The pass counts, and references simulated from them, lie beside the project; see the README there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation, NoImplicit
from selector_api.core.posteriors.posterior import PosteriorKind
from selector_api.core.posteriors.rasch import Rasch
from selector_api.core.replay import replay
from selector_api.core.scores import Scores, Seen, Verdict
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable
from tests.core import runs

ESTIMATOR = Path(__file__).parents[3] / "shared" / "estimator" / "real_order.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ESTIMATOR.exists(), reason="the pass counts of a real run are not beside the project"
    ),
]


@pytest.fixture(scope="module")
def yardstick() -> Any:
    """The module that orders the visits and simulates the references."""
    spec = importlib.util.spec_from_file_location("real_order", ESTIMATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(yardstick: Any, references: str, posterior: PosteriorKind) -> Scores:
    """How well a posterior predicts the visits, with these references measured."""
    smoothed = yardstick.smoothed()
    columns = yardstick.references(references, smoothed)
    rates = np.zeros((len(smoothed), 0)) if columns is None else columns
    ids = [str(number) for number in range(len(rates))]
    measured = [{f"r{place}": float(rate) for place, rate in enumerate(row)} for row in rates]
    table = TaskTable.empty().extended(TaskRows.of(ids, [DEFAULT_DOMAIN] * len(ids), measured))

    def log() -> Iterator[dict[str, Any]]:
        yield runs.created(RunConfig("p"), len(ids))
        for tasks, passed in yardstick.batches():
            rows = [[ids[task], float(s), 8] for task, s in zip(tasks, passed, strict=True)]
            yield {
                "type": "committed",
                "selection": None,
                "reason": "unsolicited",
                "closes": [],
                "outcomes": rows,
            }

    found = replay(log(), table, [posterior.settled(table)])
    return Verdict.of(found.forecasts[0], Seen.of(found, table.domains)).all


@pytest.mark.parametrize(("references", "log_loss"), [("none", 1.39), ("poor", 1.68), ("good", 1.21)])
def test_bots_as_published(yardstick: Any, references: str, log_loss: float) -> None:
    implicit = NoImplicit() if references == "none" else Interpolation("r0", "r1")
    posterior = Bots(rollouts=8, implicit=implicit)  # as many as that run had
    assert judged(yardstick, references, posterior).log_loss == pytest.approx(log_loss, abs=0.005)


@pytest.mark.parametrize(
    ("references", "log_loss", "brier"),
    [("none", 1.0690, 0.0172), ("poor", 1.0548, 0.0157), ("good", 1.0296, 0.0144), ("8", 1.0402, 0.0150)],
)
def test_rasch(yardstick: Any, references: str, log_loss: float, brier: float) -> None:
    scores = judged(yardstick, references, Rasch())
    assert scores.log_loss == pytest.approx(log_loss, abs=0.003)
    assert scores.brier == pytest.approx(brier, abs=0.0002)
