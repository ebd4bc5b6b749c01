"""What replicas answer, and how they refuse: each what follows from what Redis has done for the call."""

from __future__ import annotations

from typing import Any

from selector_api.core.select import TooFewTasks
from selector_api.store.errors import CallError, Overloaded, StoreUnavailable, UnreadableData
from selector_api.store.refusals import RunConflict, UnknownParent, UnknownRun, UnknownTask, UnusableFork
from tests.simulator.operations import (
    Create,
    Fork,
    Read,
    Release,
    Renew,
    Report,
    ReportWithout,
    Select,
)
from tests.simulator.replicas import Attempt
from tests.simulator.watched import Granted
from tests.simulator.witness import Witness

_TRYING_AGAIN_HELPS = (Overloaded, StoreUnavailable)


def check_answer(attempt: Attempt, answer: Any) -> None:
    """A replica answers."""
    expected = attempt.expected
    match attempt.operation:
        case _ if attempt.is_astray:
            pass
        case Select():
            event, replayed = answer
            assert isinstance(expected, Granted), (answer, expected)
            assert (event["selection"], tuple(event["tasks"])) == (
                expected.handle.id,
                expected.handle.tasks,
            )
            assert (replayed, event["status"]) == (expected.replayed, expected.status)
            assert expected.expires_at in (None, event["expires_at"])
        case Report() | ReportWithout():
            assert isinstance(expected, dict), (answer, expected)
            told = {name: getattr(answer, name) for name in expected if name != "selection"}
            told["differing_tasks"] = list(told["differing_tasks"])
            assert told == {name: expected[name] for name in told}, (told, expected)
            parts = ("accepted", "duplicates", "differing", "dropped")
            assert sum(told[part] for part in parts) == len(attempt.operation.rows), "a receipt that adds up"
        case Renew() | Release():
            assert expected == (answer.status, answer.expires_at)
        case Read():
            assert {name: answer[name] for name in expected} == expected
        case _:
            pass


def check_refusal(witness: Witness, attempt: Attempt, error: Exception) -> None:
    """A replica refuses, or fails."""
    expected, operation = attempt.expected, attempt.operation
    if isinstance(error, _TRYING_AGAIN_HELPS) or attempt.is_astray:
        return
    if isinstance(error, TooFewTasks):
        assert isinstance(expected, int), (error, expected)
        assert error.available == expected < operation.batch_size
    elif isinstance(error, UnknownRun | UnknownParent):
        gone = witness.deletions > attempt.deletions
        assert gone or operation.run not in witness.runs or isinstance(operation, Fork), error
    elif isinstance(error, UnreadableData):
        assert witness.losses, error  # its pool has lost tasks, until they are added again
    elif isinstance(error, UnknownTask):
        assert witness.losses, error
    elif isinstance(error, RunConflict | UnusableFork):
        assert isinstance(operation, Create | Fork)
    else:
        assert isinstance(error, CallError), error
        assert expected is type(error), (error, expected)
