from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.core.doubledouble import DoubleDouble

numbers = st.floats(-1e6, 1e6).map(lambda x: 0.0 if abs(x) < 1e-6 else x)


def exact(number: DoubleDouble) -> Fraction:
    return Fraction(float(number.hi)) + Fraction(float(number.lo))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(a=numbers, b=numbers, c=numbers)
def test_sums_and_products_are_exact_to_1e_minus_29(a, b, c):
    first = DoubleDouble.of(a).times(DoubleDouble.of(b))
    assert exact(first) == Fraction(a) * Fraction(b)
    total = first.plus(DoubleDouble.of(c))
    want = Fraction(a) * Fraction(b) + Fraction(c)
    assert abs(exact(total) - want) <= abs(want) * Fraction(1, 10**29)
    product = total.times(total)
    assert abs(exact(product) - exact(total) ** 2) <= exact(total) ** 2 * Fraction(1, 10**29)


def test_rows_are_taken_and_put():
    number = DoubleDouble.of(np.array([1.0, 2.0, 3.0]))
    number.put([0, 2], DoubleDouble.of(np.array([7.0, 9.0])))
    assert number.take([2, 1]).hi.tolist() == [9.0, 2.0]
    assert number.joined(number).hi.tolist() == [7.0, 2.0, 9.0, 7.0, 2.0, 9.0]
