"""Groups of rollouts as they are reported."""

from __future__ import annotations

from trainer_client.groups import one_a_task


def test_two_groups_of_a_task_are_told_one_after_the_other():
    groups = [("a", [1.0]), ("b", [0.0, None]), ("a", [0.0]), ("a", [0.5])]
    assert one_a_task(groups) == [{"a": [1.0], "b": [0.0, None]}, {"a": [0.0]}, {"a": [0.5]}]
    assert one_a_task([]) == []
