"""Numbers of twice a float's precision: an unevaluated sum hi + lo of two float64.

Why: a task's posterior is its class's background plus its own residual (see `bots`). With little forgetting
the two grow to a hundred thousand times their sum, and in plain floats the rounding of ten thousand commits
would show in it. Here it stays below 1e-20 of either.

Sums: Knuth, TAOCP vol. 2, 4.2.2; products: Dekker, Numer. Math. 18 (1971).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from selector_api.core.arrays import FloatArray

_SPLITTER = 134217729.0  # 2²⁷ + 1


class DoubleDouble(NamedTuple):
    """Arrays of one shape, or scalars; |lo| is at most half a unit in the last place of hi.

    Entries, and rows of them, are counted along the last axis.
    """

    hi: FloatArray
    lo: FloatArray

    @classmethod
    def of(cls, values: FloatArray | float) -> DoubleDouble:
        """These float64 values, exactly."""
        hi = np.asarray(values, np.float64)
        return cls(hi, np.zeros_like(hi))

    @classmethod
    def of_sum(cls, one: FloatArray, other: FloatArray) -> DoubleDouble:
        """The sum of float64 values, exactly."""
        return cls(*_two_sum(one, other))

    def plus(self, other: DoubleDouble) -> DoubleDouble:
        """The sum."""
        total, error = _two_sum(self.hi, other.hi)
        return DoubleDouble(*_quick_two_sum(total, error + (self.lo + other.lo)))

    def times(self, other: DoubleDouble) -> DoubleDouble:
        """The product."""
        product, error = _two_product(self.hi, other.hi)
        return DoubleDouble(*_quick_two_sum(product, error + (self.hi * other.lo + self.lo * other.hi)))

    def take(self, rows: Any) -> DoubleDouble:
        """The entries at these rows, by number."""
        # Of an array of several axes, `take` picks along the last in a quarter of the time of an index.
        return DoubleDouble(self.hi.take(rows, axis=-1), self.lo.take(rows, axis=-1))

    def put(self, rows: Any, values: DoubleDouble) -> None:
        """Overwrite the entries at these rows, in place."""
        self.hi[..., rows] = values.hi
        self.lo[..., rows] = values.lo

    def joined(self, other: DoubleDouble) -> DoubleDouble:
        """The entries of this one, then those of the other."""
        return DoubleDouble(
            np.concatenate([self.hi, other.hi], axis=-1), np.concatenate([self.lo, other.lo], axis=-1)
        )


def _two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _quick_two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    total = a + b
    return total, b - (total - a)


def _two_product(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high
