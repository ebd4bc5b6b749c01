"""Which rewards a run takes and what they are worth: its config's `rewards`, known to the trainer."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FLOAT32_SLACK = 1e-6
"""Share of the range by which rounding may carry a reward over a bound."""
LARGEST = 1e9
"""As far as a range may reach, either way."""


class RewardOutOfRange(ValueError):
    """A reward that the run does not take. Nothing was trained on it, and nothing was counted."""


@dataclass(frozen=True)
class RewardScale:
    """From `least` to `most`, scaled to [0, 1]; or with `pass_at` any finite number, of which so much passes."""

    least: float = 0.0
    most: float = 1.0
    pass_at: float | None = None

    @classmethod
    def of(cls, rewards: Mapping[str, Any] | None) -> "RewardScale":
        """The scale of a config's `rewards`; None: rewards in [0, 1].

        Raises:
            ValueError: it is of a kind, or has bounds, that no service takes.
        """
        if rewards is None:
            return cls()
        match rewards.get("type"):
            case "range":
                least, most = float(rewards.get("min", 0)), float(rewards.get("max", 1))
                if not (math.isfinite(least) and math.isfinite(most) and least < most):
                    raise ValueError(f"rewards: got a range from {least} to {most}; min must be below max")
                return cls(least, most)
            case "threshold" if "pass_at" in rewards:
                return cls(pass_at=float(rewards["pass_at"]))
            case kind:
                raise ValueError(
                    f'rewards: got type {kind!r}; it is {{"type": "range", "min", "max"}} or '
                    '{"type": "threshold", "pass_at"}'
                )

    def checked(self, reward: float) -> float:
        """The reward itself.

        Raises:
            RewardOutOfRange: the run does not take it; the message names it, the range and the cure.
        """
        if not math.isfinite(reward):
            raise RewardOutOfRange(f"got a reward of {float(reward)!r}; a run takes finite ones only")
        slack = FLOAT32_SLACK * (self.most - self.least)
        if self.pass_at is None and not self.least - slack <= reward <= self.most + slack:
            least, most = min(reward, self.least), max(reward, self.most)
            wider = f'{{"type": "range", "min": {_exact(least)}, "max": {_exact(most)}}}, or '
            raise RewardOutOfRange(
                f"got a reward of {float(reward)!r}, but the run's range is {_exact(self.least)} to "
                f'{_exact(self.most)}. Make a run whose `rewards` hold it, as in "rewards": '
                f'{wider if least >= -LARGEST and most <= LARGEST else ""}{{"type": "threshold", "pass_at": …}}; '
                "a run that is there can be forked with other `rewards`"
            )
        return reward

    def check_all(self, rewards: Iterable[float]) -> None:
        """Refuse what the run does not take: see `checked`."""
        for reward in rewards:
            self.checked(reward)

    def held(self, reward: float) -> float:
        """The reward, or the bound over which rounding carried it."""
        return reward if self.pass_at is not None else min(self.most, max(self.least, reward))

    @property
    def failure(self) -> float:
        """A reward that is worth nothing."""
        if self.pass_at is not None:
            return min(0.0, self.pass_at - 1)
        return self.least

    def worth(self, reward: float) -> float:
        """What a rollout of this reward counts: a number in [0, 1]."""
        if self.pass_at is not None:
            return float(reward >= self.pass_at)
        return (self.held(reward) - self.least) / (self.most - self.least)


def _exact(value: float) -> str:
    """The shortest text of just this number: one that is rounded may not hold the reward it is advised for."""
    return repr(float(value)).removesuffix(".0")
