"""Classes: the tasks of one (domain, weak rate, strong rate), which share one background trajectory.

Ten million tasks measured with 16 rollouts make at most 17 × 17 = 289 classes a domain.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from selector_api.core.arrays import CodeArray, FloatArray, IntArray
from selector_api.core.tasks import TaskTable

# NaN is not equal to itself; this stands for it where rates are compared (a rate is never negative).
_ABSENT = -1.0


class Classes:
    """The classes of the first `size` tasks of a table. Immutable: `grown` gives those of more tasks.

    A class keeps its number when the pool grows; a class that is new comes after all others.

    Attributes:
        domain: int32 [classes], domain code.
        weak: float64 [classes], rate of the weak reference, NaN where the task lacks one of the two.
        strong: float64 [classes], likewise.
        sizes: int64 [classes], number of tasks.
        of_task: int32 [size], class of each task.
    """

    def __init__(
        self,
        references: tuple[str, str] | None,
        domain: CodeArray,
        weak: FloatArray,
        strong: FloatArray,
        of_task: CodeArray,
    ) -> None:
        self.references = references
        self.domain = domain
        self.weak = weak
        self.strong = strong
        self.of_task = of_task
        self.sizes: IntArray = np.bincount(of_task, minlength=len(domain)).astype(np.int64)

    @classmethod
    def of(cls, references: tuple[str, str] | None) -> Classes:
        """No classes yet, of runs that tell tasks apart by these (weak, strong) references, or by none."""
        nothing = np.empty(0, np.int32)
        return cls(references, nothing, np.empty(0), np.empty(0), nothing)

    def __len__(self) -> int:
        return len(self.domain)

    def grown(self, table: TaskTable, size: int) -> Classes:
        """The classes of the first `size` tasks of `table`, which this object knows the beginning of."""
        start = len(self.of_task)
        domain = table.domain_codes[start:size].astype(np.int64)
        if self.references is None:
            weak = strong = np.full(size - start, np.nan)
        else:
            weak, strong = (table.reference(name)[start:size] for name in self.references)
            both = ~(np.isnan(weak) | np.isnan(strong))
            weak, strong = np.where(both, weak, np.nan), np.where(both, strong, np.nan)

        # One whole number a task stands for its (domain, weak, strong): sorting those is fast.
        weak_rates, weak_codes = _coded(weak)
        strong_rates, strong_codes = _coded(strong)
        codes, of_new = np.unique(
            (domain * len(weak_rates) + weak_codes) * len(strong_rates) + strong_codes, return_inverse=True
        )
        rest, strong_part = np.divmod(codes, max(len(strong_rates), 1))
        domain_part, weak_part = np.divmod(rest, max(len(weak_rates), 1))
        parts = (domain_part, weak_rates[weak_part], strong_rates[strong_part])
        keys = zip(*(part.tolist() for part in parts), strict=True)
        numbers = {key: number for number, key in enumerate(self._keys())}
        known = len(numbers)
        number_of_code = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
        added = np.array(list(numbers)[known:], np.float64).reshape(-1, 3)
        added[added == _ABSENT] = np.nan
        return Classes(
            self.references,
            np.concatenate([self.domain, added[:, 0].astype(np.int32)]),
            np.concatenate([self.weak, added[:, 1]]),
            np.concatenate([self.strong, added[:, 2]]),
            np.concatenate([self.of_task, number_of_code[of_new]]),
        )

    def _keys(self) -> list[tuple[float, float, float]]:
        rates = (np.nan_to_num(rates, nan=_ABSENT).tolist() for rates in (self.weak, self.strong))
        return list(zip(self.domain.tolist(), *rates, strict=True))

    @cached_property
    def order(self) -> IntArray:
        """All tasks sorted by class, then by index, shape [size]."""
        # numpy sorts numbers of 16 bits by radix, several times faster than wider ones.
        narrow = self.of_task.astype(np.uint16) if len(self) <= 1 << 16 else self.of_task
        return np.argsort(narrow, kind="stable").astype(np.int64)

    @cached_property
    def starts(self) -> IntArray:
        """Where each class begins in `order`, shape [classes + 1]."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    def members(self, number: int) -> IntArray:
        """The tasks of one class, ascending."""
        return self.order[self.starts[number] : self.starts[number + 1]]


def _coded(rates: FloatArray) -> tuple[FloatArray, IntArray]:
    values, codes = np.unique(np.nan_to_num(rates, nan=_ABSENT), return_inverse=True)
    return values, codes.astype(np.int64)
