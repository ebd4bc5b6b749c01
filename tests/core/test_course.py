"""The course of a run is bounded, the same on every replay, and tells all of it."""

from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.course import BINS, MAX_POINTS, Course


def course_of(commits: int) -> Course:
    course = Course()
    for step in range(1, commits + 1):
        course.record(
            step=step,
            domains=np.array([0, step % 2]),
            informative=step % 3,
            rates=np.array([0.5, (step % 5) / 4]),
            predicted=np.array([0.5, np.nan]),
            never_selected=10 * commits - step,
            capability={0: step / commits},
        )
        if course.is_histogram_due(step):
            course.record_histogram(step, np.full(BINS, step))
    return course


@pytest.mark.parametrize("commits", [1, 1023, 1024, 1025, 5000])
def test_all_commits_are_told_in_a_bounded_number_of_points(commits: int) -> None:
    course = course_of(commits)
    points = course.points(MAX_POINTS, ("math", "code"))
    assert min(commits, MAX_POINTS // 2) <= len(points) <= MAX_POINTS
    assert points[-1]["step"] == commits
    assert len({point["commits"] for point in points[:-1]}) <= 1, "all but the last tell of as many"
    assert sum(point["commits"] for point in points) == commits
    assert sum(point["groups"] for point in points) == 2 * commits
    informative = sum(point["etr"] * point["groups"] for point in points)
    assert informative == pytest.approx(sum(step % 3 for step in range(1, commits + 1)))
    assert len(course.histograms()) <= 64
    few = course.points(7, ("math", "code"))
    assert min(commits, 4) <= len(few) <= 7
    assert few[-1] == {**few[-1], "step": commits, "capability": {"math": 1.0}, "predicted": 0.5}


def test_a_course_comes_back_bit_for_bit_and_goes_on_alike() -> None:
    course = course_of(3000)
    restored = Course.restored(course.to_arrays())
    for each in (course, restored, course.copy()):
        each.record(3001, np.array([1]), 1, np.array([0.3]), np.array([0.2]), 5, {})
    for name, array in course.to_arrays().items():
        np.testing.assert_array_equal(array, restored.to_arrays()[name], err_msg=name)
    copied = course.copy()
    copied.record(3002, np.array([1]), 1, np.array([0.3]), np.array([0.2]), 5, {})
    assert course.points(1, ("math", "code"))[0]["commits"] == 3001


def test_before_the_first_commit_there_is_no_point():
    assert Course().points(10, ()) == []
