"""What of a log a fork takes over."""

from __future__ import annotations

from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.fork import Taken
from tests.core import runs


def test_an_open_selection_is_left_out_unless_something_of_it_was_committed() -> None:
    def part(selection: str, place: int) -> dict[str, Any]:
        commit = {"type": "committed", "selection": selection, "reason": "count", "closes": []}
        return commit | {"outcomes": {selection: [[place, 1, 2]]}}

    log = [
        runs.created(RunConfig("p"), 9),
        runs.selected("a", ["t0", "t1", "t2"]),
        part("a", 0),
        part("a", 2),
        runs.selected("b", ["t3"]),
    ]
    taken = Taken(None)
    for seq, event in enumerate(log, 1):
        taken.read(seq, event)
    assert (taken.has_all(4), taken.has_all(5)) == (True, False)
    (closing,) = taken.closing()
    assert (closing["selection"], closing["entered"]) == ("a", 2)
    assert taken.counts() == (1, 0)
