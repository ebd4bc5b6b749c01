"""Eighty batches by Trinity-RFT's own selector and estimator, written to the file that is its argument.

Each batch has its rows, how many of their rollouts passed, and α, β and μ after it.
"""

# The framework's packages are in another environment.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from trinity.buffer.selector.selector import DifficultyBasedSelector
from trinity.common.config import DataSelectorConfig

TASKS, BATCHES, BATCH, ROLLOUTS = 400, 80, 32, 16
SETTINGS = {"m": ROLLOUTS, "lamb": 0.1, "rho": 0.1, "target_reward": 0.5, "tau": 0, "do_sample": False}


def main(output: Path) -> None:
    rng = np.random.default_rng(0)
    weak = rng.uniform(0.0, 0.6, TASKS)
    strong = weak + rng.uniform(0.2, 0.4, TASKS)
    data = SimpleNamespace(dataset={"weak": weak.tolist(), "strong": strong.tolist()})
    config = DataSelectorConfig(feature_keys=["weak", "strong"], kwargs=SETTINGS)
    selector = DifficultyBasedSelector(data, config)
    batches = []
    for number in range(BATCHES):
        rows = selector.get_indices(BATCH).tolist()
        level = number / BATCHES  # the model learns
        passes = rng.binomial(ROLLOUTS, weak[rows] + level * (strong[rows] - weak[rows]))
        selector.feedback(rows, (passes / ROLLOUTS).tolist())
        estimator = selector.diff_estimator
        batches.append(
            {
                "rows": rows,
                "passes": passes.tolist(),
                "alpha": estimator.alphas.tolist(),
                "beta": estimator.betas.tolist(),
                "capability": float(estimator.cap_coef),
            }
        )
    output.write_text(json.dumps({**data.dataset, "rollouts": ROLLOUTS, "batches": batches}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
