"""Classes: the tasks of one domain and equal reference rates, which share one distribution until they are reported.

Ten million tasks measured with two references and 16 rollouts make at most 17 × 17 = 289 classes a domain.
"""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import CodeArray, FloatArray, IntArray
from selector_api.core.growing import Growing

# NaN is not equal to itself; this stands for it where rates are compared (a rate is never negative).
_ABSENT = -1.0


class Classes:
    """The classes of a run's tasks. Immutable: `grown` gives those of more tasks.

    A class keeps its number when the pool grows; a class that is new comes after all others.

    Attributes:
        domain: int32 [classes], domain code.
        rates: float64 [classes, references], each NaN where it was not measured.
        sizes: int64 [classes], number of tasks.
    """

    def __init__(
        self,
        domain: CodeArray,
        rates: FloatArray,
        sizes: IntArray,
        of_task: Growing[np.int32],
        stretches: tuple[_Stretch, ...],
    ) -> None:
        self.domain = domain
        self.rates = rates
        self.sizes = sizes
        self._of_task = of_task
        self._stretches = stretches

    @classmethod
    def of(cls, references: int) -> Classes:
        """No classes yet, of tasks that are told apart by so many references."""
        return cls.without_tasks(np.empty(0, np.int32), np.empty((0, references)))

    @classmethod
    def without_tasks(cls, domain: CodeArray, rates: FloatArray) -> Classes:
        """Classes whose tasks are still to join."""
        return cls(domain, rates, np.zeros(len(domain), np.int64), Growing(np.empty(0, np.int32)), ())

    def __len__(self) -> int:
        return len(self.domain)

    @property
    def of_task(self) -> CodeArray:
        """Class of each task, shape [tasks]."""
        return self._of_task.values

    def grown(self, domain: CodeArray, rates: FloatArray) -> Classes:
        """The classes once tasks with these domains [new] and rates [new, references] have joined."""
        some_task, code_of_task = _coded(domain, rates)
        numbers = {key: number for number, key in enumerate(_keys(self.domain, self.rates))}
        known = len(numbers)
        keys = _keys(domain[some_task], rates[some_task])
        number_of_code = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
        added = some_task[number_of_code >= known]
        joined = number_of_code[code_of_task]
        sizes = np.bincount(joined, minlength=len(numbers))
        sizes[:known] += self.sizes
        return Classes(
            np.concatenate([self.domain, domain[added]]),
            np.concatenate([self.rates, rates[added]]),
            sizes,
            self._of_task.appended(joined),
            _with_stretch(self._stretches, len(self.of_task), len(joined)),
        )

    def members_at(self, numbers: IntArray, places: IntArray) -> IntArray:
        """Of each of these classes the task at a place, from 0 on, among its tasks in ascending order."""
        tasks, left = np.empty(len(numbers), np.int64), places.copy()
        for stretch in self._stretches:
            order, starts = stretch.by_class(self.of_task, len(self))
            last = len(starts) - 1  # a class that is younger than the stretch has no task in it
            begin = starts[np.minimum(numbers, last)]
            count = starts[np.minimum(numbers + 1, last)] - begin
            (here,) = np.nonzero((left >= 0) & (left < count))
            tasks[here] = order[begin[here] + left[here]]
            left -= count
        return tasks

    def members(self, number: int) -> IntArray:
        """The tasks of one class, ascending."""
        places = np.arange(int(self.sizes[number]))
        return self.members_at(np.full(len(places), number), places)


class _Stretch:
    """Tasks that joined one after another, which are sorted by their classes when that is first asked for."""

    def __init__(self, first: int, size: int) -> None:
        self.first = first
        self.size = size
        self._by_class: tuple[CodeArray, IntArray] | None = None

    def by_class(self, of_task: CodeArray, classes: int) -> tuple[CodeArray, IntArray]:
        """The tasks by class, then by index, and where each class begins, the end included."""
        if self._by_class is None:
            mine = of_task[self.first : self.first + self.size]
            # numpy sorts numbers of 16 bits by radix, several times faster than wider ones.
            narrow = mine.astype(np.uint16) if classes <= 1 << 16 else mine
            order = np.argsort(narrow, kind="stable").astype(np.int32) + np.int32(self.first)
            starts = np.append(0, np.cumsum(np.bincount(mine, minlength=classes)))
            self._by_class = order, starts
        return self._by_class


def _with_stretch(stretches: tuple[_Stretch, ...], first: int, size: int) -> tuple[_Stretch, ...]:
    """The stretches and one more, joined with those before it that are not twice as long.

    So there are few, and a task is sorted again only when about as many have joined: not the pool at each addition.
    """
    if not size:
        return stretches
    while stretches and stretches[-1].size < 2 * size:
        first, size = stretches[-1].first, stretches[-1].size + size
        stretches = stretches[:-1]
    return (*stretches, _Stretch(first, size))


def distinct(domain: CodeArray, rates: FloatArray) -> int:
    """How many classes tasks with these domains [tasks] and rates [tasks, references] make."""
    return len(_coded(domain, rates)[0])


def _coded(domain: CodeArray, rates: FloatArray) -> tuple[IntArray, IntArray]:
    """Numbers the distinct (domain, *rates), ascending with an absent rate first.

    Returns:
        A task of each number, and the number of each task.
    """
    # One whole number a task stands for what it has: sorting those is fast.
    code, codes = domain.astype(np.int64), int(domain.max(initial=0)) + 1
    for column in rates.T:
        column = np.where(np.isnan(column), _ABSENT, column)
        values = np.unique(column)
        place = np.searchsorted(values, column)  # there are few, so this is faster than sorting the column
        if codes * len(values) >= 1 << 63:
            distinct, code = _numbered(code, codes)
            codes = len(distinct)
        code, codes = code * len(values) + place, codes * len(values)
    distinct, number = _numbered(code, codes)
    some_task = np.empty(len(distinct), np.int64)
    some_task[number] = np.arange(len(number))
    return some_task, number


def _numbered(code: IntArray, codes: int) -> tuple[IntArray, IntArray]:
    """The distinct of these codes, each below `codes`, ascending; and the number of each entry's."""
    if codes > 4 * len(code):
        return np.unique(code, return_inverse=True)
    occurs = np.zeros(codes, np.bool_)
    occurs[code] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[code]


def _keys(domain: CodeArray, rates: FloatArray) -> list[tuple[float, ...]]:
    columns = (domain, *np.nan_to_num(rates, nan=_ABSENT).T)
    return list(zip(*(column.tolist() for column in columns), strict=True))
