from collections.abc import Iterable, Iterator
from itertools import islice

from services.task_files.census import Census, differences
from services.task_files.task_batch import TaskBatch
from trainer_client import Task


def task(name: str, domain: str | None = None, **references: float) -> Task:
    return Task(id=name, domain=domain, references=references)


def census_of(tasks: Iterable[Task]) -> Census:
    """Of tasks that come two at a time."""
    return Census(batches(tasks))


def batches(tasks: Iterable[Task]) -> Iterator[TaskBatch]:
    rest = iter(tasks)
    while some := list(islice(rest, 2)):
        yield TaskBatch.of(some)


def test_repeated_ids_are_counted():
    census = census_of(Task(id=name) for name in ["a", "b", "a", "c", "a"])
    assert (census.rows, census.repeated, census.contradiction()) == (5, 2, None)
    census = census_of(iter([]))
    assert (census.rows, census.repeated, census.contradiction()) == (0, 0, None)


def test_measured_rows_are_counted():
    census = census_of([task("a", weak=0.5), task("b"), task("c", weak=0.0, strong=1.0)])
    assert census.measured(["weak", "strong", "other"]) == {"weak": 2, "strong": 1, "other": 0}


def test_rows_of_one_id_and_other_values_are_found_the_earliest_first():
    rows = [task("a"), task("b", weak=0.5), task("c", "x"), task("a"), task("c", "y"), task("b", weak=0.25)]
    assert census_of(rows).contradiction() == (2, 4)
    assert census_of([*rows[:2], rows[5]]).contradiction() == (1, 2)
    assert census_of([task("a", "x", weak=0.5), task("a", strong=0.25)]).contradiction() is None
    assert census_of([task("a", "x"), task("a"), task("a", "y")]).contradiction() == (0, 2)


def test_what_a_pool_has_in_common_is_counted():
    census = census_of([task("a"), task("b", "x", weak=0.5), task("c", weak=0.5), task("d", strong=1.0)])
    pool = [
        task("d", weak=0.1),
        task("z"),
        task("b", "x", weak=0.5, other=1.0),
        task("a", "default", weak=0.1),
    ]
    overlap = census.compared(batches(pool))
    assert (overlap.known, overlap.measured, overlap.conflicts, overlap.named) == (3, 1, 0, {})
    assert census.compared([]).known == 0
    assert census_of([]).compared(batches(pool)).known == 0


def test_a_row_that_extends_a_task_of_the_pool_is_found_for_each_reference():
    census = census_of([task("a", weak=0.5), task("b", weak=0.5, strong=1.0), task("c", other=1.0)])
    overlap = census.compared(batches([task("b", weak=0.5), task("a")]))
    assert overlap.extending == {"strong": 1, "weak": 0}


def test_conflicts_with_a_pool_are_counted_and_the_first_named():
    census = census_of(task(f"t{i}", "x", weak=0.5) for i in range(20))
    pool = [
        task("t3", "y", weak=0.5),
        *(task(f"t{i}", "x", weak=0.25) for i in range(4, 15)),
        task("t0", "x"),
    ]
    overlap = census.compared(batches(pool))
    assert (overlap.known, overlap.conflicts) == (13, 12)
    assert list(overlap.named) == [3, 4, 5, 6, 7]
    assert overlap.named[3] == pool[0]


def test_differences_are_told_on_both_sides():
    one, other = task("a", weak=0.5, strong=1.0), task("a", "math", weak=0.25)
    assert differences(one, other) == ("reference 'weak' 0.5", "reference 'weak' 0.25")
    assert differences(task("a", "code"), other) == ("domain 'code'", "domain 'math'")
