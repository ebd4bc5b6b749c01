"""How often each token may be used: a token bucket a token, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from selector_api.store.lru import Lru
from selector_api.web.problems import RATE_LIMITED, Problem

_MOST_CALLERS = 10_000
"""Callers that are remembered. One that is forgotten begins anew with a full bucket."""


@dataclass
class _Bucket:
    left: float
    at: float


class RateLimit:
    """Lets each caller make `rate` calls a second in the long run, and as many as `burst` seconds' worth at once.

    Args:
        rate: calls a second, None for no limit.
        burst: seconds.
        clock: seconds that never go back.
    """

    def __init__(
        self, rate: float | None, burst: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: Lru[_Bucket] = Lru(_MOST_CALLERS)

    def count(self, caller: str) -> None:
        """Count a call.

        Raises:
            Problem: rate-limited, with the seconds after which there is room again.
        """
        if self._rate is None:
            return
        size = max(1.0, self._rate * self._burst)
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = _Bucket(size, now)
            self._buckets.put(caller, bucket)
        bucket.left = min(size, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.left < 1.0:
            problem = Problem(
                RATE_LIMITED, f"Authorization: this token may make {self._rate:g} calls a second; slow down"
            )
            problem.headers = {"Retry-After": str(max(1, math.ceil((1.0 - bucket.left) / self._rate)))}
            raise problem
        bucket.left -= 1.0
