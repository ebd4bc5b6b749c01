"""Groups of rollouts as they are reported."""

from __future__ import annotations

import pytest

from trainer_client.groups import by_group, one_a_task


def test_two_groups_of_a_task_are_told_one_after_the_other():
    groups = [("a", [1.0]), ("b", [0.0, None]), ("a", [0.0]), ("a", [0.5])]
    assert one_a_task(groups) == [{"a": [1.0], "b": [0.0, None]}, {"a": [0.0]}, {"a": [0.5]}]
    assert one_a_task([]) == []


def test_rollouts_are_put_together_by_their_groups():
    told = by_group(["g", "h", "k", "g"], ["a", "b", "a", "a"], [1.0, 0.0, 0.5, None])
    assert told == [("a", [1.0, None]), ("b", [0.0]), ("a", [0.5])]
    with pytest.raises(ValueError, match="shorter"):
        by_group(["g"], ["a"], [])
