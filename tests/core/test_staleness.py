"""How old the policy was that made the rollouts of late and asynchronous outcomes."""

from __future__ import annotations

import json

from selector_api.core.staleness import Staleness


def test_nothing_is_known_until_a_version_is_told():
    staleness = Staleness()
    staleness.count([None, None])
    assert (staleness.newest, staleness.mean(), staleness.largest()) == (None, None, None)


def test_outcomes_are_behind_the_newest_version_that_was_told():
    staleness = Staleness()
    staleness.see(7)
    staleness.see(5)
    staleness.count([7, 5, None])
    assert (staleness.newest, staleness.mean(), staleness.largest()) == (7, 1.0, 2)
    staleness.count([10, 6])
    assert (staleness.newest, staleness.mean(), staleness.largest()) == (10, 1.5, 4)
    assert staleness.mean(commits=1) == 2.0


def test_only_the_last_commits_count():
    staleness = Staleness()
    staleness.count([0, 100])
    for _ in range(20):
        staleness.count([100])
    assert (staleness.mean(), staleness.largest()) == (0.0, 0)


def test_it_is_kept_as_json_and_copied():
    staleness = Staleness()
    staleness.count([3, 1])
    kept = Staleness.of(json.loads(json.dumps(staleness.to_list())))
    assert kept == staleness == staleness.copy()
    copy = staleness.copy()
    staleness.count([9, 1])
    assert copy == kept != staleness
