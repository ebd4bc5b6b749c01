"""The figures of the demo, in one place."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How much of what. Sizes of sets of tasks are by level, of which there are sixteen."""

    seed: int = 0
    steps: int = 150

    pool_size: int = 140
    held_out_size: int = 30
    validation_size: int = 30
    example_size: int = 1500

    weak_accuracy: float = 0.10
    start_accuracy: float = 0.22
    strong_accuracy: float = 0.36
    most_teaching_steps: int = 3000
    reference_samples: int = 8

    prompts: int = 16
    rollouts: int = 8
    learning_rate: float = 5e-4
    forgetting: float = 0.1
    implicit_weight: float = 0.1

    evaluate_every: int = 25
    evaluation_samples: int = 4

    def run_config(self) -> dict[str, Any]:
        """What both runs share; only their policy differs."""
        return {
            "seed": self.seed,
            "posterior": {
                "type": "bots",
                "forgetting": self.forgetting,
                "implicit_weight": self.implicit_weight,
                "rollouts": self.rollouts,
            },
            "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"},
        }


POLICIES: dict[str, dict[str, Any]] = {
    "random": {"type": "random"},
    "BOTS": {"type": "thompson", "target": 0.5},
}
