"""What of a run's log a fork of it takes over: its evidence, and what was excluded from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector_api.core.config import RunChange, RunConfig
from selector_api.core.policies import Policy

_OF_A_RUN = ("created", "configured", "rewound")
"""What is true of the parent alone."""
POLICY_BEGINS = ("policy_since", "selections_before_epochs", "selections_before_shares")
"""Behind which commit a run's policy begins, and behind which selections its epochs and its shares do."""
_NO_EVIDENCE = ("grown", "excluded", "included")
"""What is taken over also from behind the commit at which the log is cut."""


class Taken:
    """Reads a log from its first event on, and tells which events a fork takes over.

    Selections that are open at the cut do not come along, unless some of their outcomes have entered a commit:
    those are closed by `closing`.

    Attributes:
        tasks: how many tasks the parent began with.
        grown: how many it has.
        step: commits read.
        is_cut: the wanted step was read.
    """

    def __init__(self, step: int | None) -> None:
        """Nothing read yet; `step` is the number of commits to take over, None for all."""
        self._wanted = step
        self._kept: dict[int, str] = {}
        self._open: dict[str, list[int]] = {}
        self._entered: dict[str, int] = {}
        self._selected: list[int] = []
        self._policy: Policy | None = None
        # Commits before the policy, and selections before its epochs and its shares.
        self._policy_since = self._before_epochs = self._before_shares = 0
        self.tasks = 0
        self.grown = 0
        self.step = 0
        self.is_cut = step == 0
        self._at = 0

    def read(self, seq: int, event: Mapping[str, Any]) -> None:
        """Take in the next event."""
        kind = event["type"]
        if kind == "created":
            self.tasks = self.grown = event["tasks"]
            self._policy = RunConfig.from_dict(event["config"]).policy
            self._policy_since, self._before_epochs, self._before_shares = (
                event.get(name, 0) for name in POLICY_BEGINS
            )
        elif kind == "configured" and "policy" in event and not self.is_cut:
            self._change(RunChange.from_dict({"policy": event["policy"]}).policy)
        elif kind == "grown":
            self.grown = event["tasks"]
        if kind in _OF_A_RUN or event.get("by") == "pool" or (self.is_cut and kind not in _NO_EVIDENCE):
            return
        self._kept[seq] = kind
        self._at = event.get("at", self._at)
        selection = event.get("selection")
        if kind == "selected":
            self._selected.append(seq)
            self._open[event["selection"]] = [seq]
        elif kind == "committed":
            self._commit(event)
        elif kind == "released":
            self._open.pop(event["selection"], None)
        elif selection in self._open:
            self._open[selection].append(seq)

    def _change(self, policy: Policy | None) -> None:
        """The policy becomes another one here."""
        assert policy is not None
        assert self._policy is not None
        if policy.in_epochs != self._policy.in_epochs:
            self._before_epochs = len(self._selected)
        if policy.shares != self._policy.shares:
            self._before_shares = len(self._selected)
        self._policy, self._policy_since = policy, self.step

    def _commit(self, event: Mapping[str, Any]) -> None:
        self.step += 1
        self.is_cut = self.step == self._wanted
        closed = event.get("closes")
        if closed is None:  # as up to 0.2
            closed = [] if event["reason"] in ("late", "unsolicited") else [event["selection"]]
        for selection in closed:
            self._open.pop(selection, None)
        outcomes: dict[str, list[Any]] | list[Any] = event["outcomes"]
        if isinstance(outcomes, dict):
            for selection, rows in outcomes.items():
                self._entered[selection] = self._entered.get(selection, 0) + len(rows)

    def seqs(self) -> set[int]:
        """The places of the events that are taken over."""
        left = (seqs for selection, seqs in self._open.items() if selection not in self._entered)
        return self._kept.keys() - {seq for seqs in left for seq in seqs}

    def has_all(self, seq: int) -> bool:
        """Whether all events up to this place are taken over, but for the first: a fork has one of its own."""
        return self.seqs().issuperset(range(2, seq + 1))

    def closing(self) -> list[dict[str, Any]]:
        """The events behind these which release the selections that would be left open, at the time of the last."""
        return [
            {
                "type": "released",
                "at": self._at,
                "selection": selection,
                "reason": "fork",
                "entered": self._entered[selection],
            }
            for selection in self._open
            if selection in self._entered
        ]

    def counts(self) -> tuple[int, int]:
        """How many selections are among the events that are taken over, and how many changes of what is drawn."""
        kinds = [self._kept[seq] for seq in self.seqs()]
        return kinds.count("selected"), kinds.count("excluded") + kinds.count("included")

    def policy_begins(self, policy: Policy) -> dict[str, int]:
        """Where a fork's policy begins, for its `created` event: what of it the parent has as well goes on."""
        if policy != self._policy:
            self._change(policy)
        seqs = self.seqs()
        before = (
            sum(seq in seqs for seq in self._selected[:selections])
            for selections in (self._before_epochs, self._before_shares)
        )
        return dict(zip(POLICY_BEGINS, (min(self._policy_since, self.step), *before), strict=True))


def begun(header: Mapping[str, Any], created: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a parent's snapshot tells, for a fork that takes over all events up to there.

    Args:
        header: of the snapshot.
        created: the fork's first event.

    Returns:
        The fork's header; None if the two fold these events otherwise.
    """
    parent, fork = RunConfig.from_dict(header["config"]), RunConfig.from_dict(created["config"])
    if (parent.posterior, parent.policy) != (fork.posterior, fork.policy) or any(
        header.get(name) != created.get(name, 0) for name in POLICY_BEGINS
    ):
        return None
    own = {"config": fork.to_dict(), "created_at": created["at"], "parent": created["parent"]}
    return {**header, **own}
