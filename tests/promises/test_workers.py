"""Eight workers at once, over two API processes, who do everything that real trainers do to a service."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol
from zlib import crc32

import httpx
import pytest

from tests.promises import logs
from tests.promises.pair import REPLICAS, Pair, Run, at_once, ok, tasks_of
from trainer_client import Outcome, Receipt, Selection, SelectorClient

WORKERS = 8
ROUNDS = 12
LARGEST_BATCH = 6
LOST_REPLIES = 0.1
CONFIGS: dict[str, dict[str, Any]] = {
    "the paper's": {"implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"}},
    "counting": {"posterior": {"type": "bots", "forgetting": 0.0, "implicit_weight": 0.0}},
}
Sent = dict[tuple[str, str], tuple[float, int]]


class Line(Protocol):
    """A worker's way to the service."""

    def select(self, batch_size: int, key: str) -> Selection: ...

    def report(self, selection: Selection, outcomes: Sequence[Outcome], final: bool) -> Receipt: ...


class PlainLine:
    """Plain HTTP to either replica; some calls that were answered are made again, at the other one."""

    def __init__(self, run: Run, rng: random.Random) -> None:
        self._run, self._rng = run, rng

    def select(self, batch_size: int, key: str) -> Selection:
        replica = self._rng.choice(REPLICAS)
        selection = ok(self._run.select(replica, batch_size, key))
        if self._rng.random() < 0.3:
            again = ok(self._run.select(1 - replica, batch_size, key))
            # Another worker may have ended it.
            assert again == selection | {"replayed": True, "status": again["status"]}
        return Selection.model_validate(selection)

    def report(self, selection: Selection, outcomes: Sequence[Outcome], final: bool) -> Receipt:
        replica, name = self._rng.choice(REPLICAS), selection.selection
        bodies = [outcome.model_dump() for outcome in outcomes]
        receipt = Receipt.model_validate(ok(self._run.report(replica, name, bodies, final=final)))
        if self._rng.random() < 0.3:
            self._rng.shuffle(bodies)
            again = ok(self._run.report(1 - replica, name, bodies, final=final))
            told = (again["accepted"], again["duplicates"], again["differing"])
            assert told == (0, len(bodies) - receipt.differing, receipt.differing)
        return receipt


class ClientLine:
    """The trainers' client, to either replica, over a network that loses replies: it sends again."""

    def __init__(self, run: Run, rng: random.Random) -> None:
        self._rng = rng
        self._clients = [
            SelectorClient(service.url, run.name, transport=LossyTransport(rng))
            for service in run.pair.services
        ]

    def select(self, batch_size: int, key: str) -> Selection:
        return self._rng.choice(self._clients).select(batch_size, key=key)

    def report(self, selection: Selection, outcomes: Sequence[Outcome], final: bool) -> Receipt:
        return self._rng.choice(self._clients).report(selection, outcomes, final=final)

    def close(self) -> None:
        for client in self._clients:
            client.close()


class LossyTransport(httpx.BaseTransport):
    """Delivers every request, and loses some of the replies."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        response.read()
        if self._rng.random() < LOST_REPLIES:
            raise httpx.ReadError("the reply was lost", request=request)
        return response

    def close(self) -> None:
        self._inner.close()


def truth(source: str, task: str) -> Outcome:
    """What every worker sees of a task in a selection."""
    number = crc32(f"{source.partition('-')[0]} {task}".encode())
    trials = 1 + number % 16
    return Outcome(task=task, successes=number // 16 % (trials + 1), trials=trials)


def lie(outcome: Outcome) -> Outcome:
    """Another value, which must not count."""
    _, trials = _value(outcome)
    return Outcome(task=outcome.task, successes=1, trials=trials + 1)


class Worker:
    """Selects and reports, in an order and with repetitions that its random numbers decide."""

    def __init__(self, run: Run, number: int, seed: int) -> None:
        self._run, self._number = run, number
        self._rng = random.Random(f"{seed}-{number}")
        self._line: Line = (PlainLine if number % 2 else ClientLine)(run, self._rng)
        self.sent: Sent = {}

    def work(self, more: list[dict[str, Any]]) -> Sent:
        try:
            self._work(more)
        finally:
            if isinstance(self._line, ClientLine):
                self._line.close()
        return self.sent

    def _work(self, more: list[dict[str, Any]]) -> None:
        for round_ in range(ROUNDS):
            if round_ == ROUNDS // 2 and self._number < 2:  # the pool grows, by both replicas
                ok(self._run.add_tasks(self._number, more))
            if self._rng.random() < 0.3:  # several workers may have a part in this selection
                self._step(self._line.select(LARGEST_BATCH, f"shared-{round_}"), shared=True)
            else:
                size = self._rng.randint(1, LARGEST_BATCH)
                self._step(self._line.select(size, f"worker-{self._number}-{round_}"), shared=False)
            if self._rng.random() < 0.2:
                self._report_unsolicited(f"extra-{round_ % 3}")

    def _step(self, selection: Selection, shared: bool) -> None:
        rng = self._rng
        parts = self._split(selection.tasks)
        ending = rng.choice(["complete", "final", "abandoned rest", "lease", "nothing"])
        if ending == "nothing":
            self._line.report(selection, [], final=True)  # what follows is late
        for number, part in enumerate(parts):
            first = number == 0
            self._report(selection, part, final=first and ending in ("final", "abandoned rest"))
            if first and ending == "abandoned rest" and not shared:
                return
            if first and ending == "lease":
                self._run.end_lease(selection.selection)

    def _split(self, tasks: Sequence[str]) -> list[list[str]]:
        shuffled = self._rng.sample(tasks, len(tasks))
        cuts = sorted(self._rng.choices(range(1, len(tasks) + 1), k=2))
        parts = [shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]], shuffled[cuts[1] :]]
        return [part for part in parts if part]

    def _report(self, selection: Selection, tasks: Sequence[str], final: bool) -> None:
        source = selection.selection
        outcomes = [truth(source, task) for task in tasks]
        known = [task for task in selection.tasks if (source, task) in self.sent and task not in tasks]
        lies = [lie(truth(source, task)) for task in known if self._rng.random() < 0.3]
        receipt = self._line.report(selection, outcomes + lies, final)
        assert receipt.accepted + receipt.duplicates == len(outcomes)
        assert receipt.differing == len(lies)
        # In the same report these would be further rollouts of the same tasks.
        repeated = [task for task in tasks if self._rng.random() < 0.3]
        if repeated:
            receipt = self._line.report(selection, [lie(truth(source, task)) for task in repeated], False)
            assert (receipt.accepted, receipt.differing) == (0, len(repeated))
        self.sent |= {(source, task): _value(truth(source, task)) for task in tasks}

    def _report_unsolicited(self, key: str) -> None:
        source = f"key {key}"
        tasks = [task["id"] for task in self._run.tasks[:3]]
        outcomes = [truth(source, task).model_dump() for task in tasks]
        ok(self._run.report(self._rng.choice(REPLICAS), None, outcomes, key=key))
        self.sent |= {(source, task): _value(truth(source, task)) for task in tasks}


def _value(outcome: Outcome) -> tuple[float, int]:
    assert outcome.successes is not None
    assert outcome.trials is not None
    return outcome.successes, outcome.trials


@pytest.mark.parametrize(("seed", "config"), list(enumerate(CONFIGS)), ids=CONFIGS)
def test_eight_workers_over_two_processes(pair: Pair, seed: int, config: str):
    print(f"seed {seed}")
    run = Run(pair, tasks_of(WORKERS * LARGEST_BATCH), seed=seed, **CONFIGS[config])
    more = tasks_of(20, first=100)
    workers = [Worker(run, number, seed) for number in range(WORKERS)]
    sent: Sent = {}
    for part in at_once(WORKERS, lambda number: workers[number].work(more)):
        assert all(part[place] == sent[place] for place in part.keys() & sent.keys())
        sent |= part
    run.tasks += more

    events = run.events(0)
    assert events == run.events(1)
    logs.check_order(events)
    counted = logs.evidence(events)
    assert counted == sent
    assert [event["tasks"] for event in logs.of_kind(events, "grown")] == [len(run.tasks)]

    view, rows = run.view(0), run.posteriors(0)
    assert (run.view(1), run.posteriors(1)) == (view, rows)
    selections = logs.tasks_selected(events)
    assert view["selections"]["open"] == 0
    assert view["selections"]["committed"] + view["selections"]["released"] == len(selections)
    assert view["step"] == len(logs.of_kind(events, "committed"))
    logs.check_dense(rows, logs.dense_run(events, run.tasks))
    if config == "counting":
        totals = logs.sums(counted)
        in_posteriors = {row["task"]: (row["alpha"] - 1, row["beta"] - 1) for row in rows}
        assert in_posteriors == {id_: totals.get(id_, (0, 0)) for id_ in in_posteriors}
    logs.check_replay(run)
