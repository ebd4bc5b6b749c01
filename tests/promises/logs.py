"""What a run's exported log says, checked and replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from selector_api.core.fold import fold
from selector_api.core.select import plan, select
from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable
from tests.core.dense import DenseRun
from tests.promises.pair import REPLICAS, Run, Task, ok

Event = dict[str, Any]
TOLERANCE = 1e-9


def table_of(tasks: Sequence[Task]) -> TaskTable:
    """The table of the tasks that were uploaded."""
    rows = TaskRows.of(
        [task["id"] for task in tasks],
        [task.get("domain", DEFAULT_DOMAIN) for task in tasks],
        [task.get("references", {}) for task in tasks],
    )
    return TaskTable.empty().extended(rows)


def of_kind(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def rows_of_event(event: Event, selected: Mapping[str, Sequence[str]]) -> list[tuple[str, str, float, int]]:
    """(selection or key, task, successes, trials) of each outcome of a commit or an evaluation."""
    outcomes: dict[str, list[Any]] | list[Any] = (
        event["rows"] if event["type"] == "observed" else event["outcomes"]
    )
    parts = {f"key {event['key']}": outcomes} if isinstance(outcomes, list) else outcomes
    return [
        (source, selected[source][place] if isinstance(place, int) else place, successes, trials)
        for source, rows in parts.items()
        for place, successes, trials, *_ in rows
    ]


def check_order(events: Sequence[Event]) -> None:
    """Events, steps and selections are numbered without gaps; no leased task is leased again."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("created") == 1
    step = selections = 0
    open_: dict[str, set[str]] = {}
    known: dict[str, list[str]] = {}
    steps = [0]  # after each event
    for event in events:
        if event["type"] == "selected":
            selections += 1
            assert (event["number"], event["step"]) == (selections, steps[event["drawn_from"]]), event
            assert len(event["tasks"]) == len(set(event["tasks"])) == event["batch_size"], event
            leased = set().union(*open_.values())
            assert leased.isdisjoint(event["tasks"]), f"leased twice at a time: {event}"
            open_[event["selection"]] = set(event["tasks"])
            known[event["selection"]] = event["tasks"]
        elif event["type"] == "committed":
            step += 1
            assert event["step"] == step, event
            for source, task, _, _ in rows_of_event(event, known):
                if source in open_:
                    open_[source].discard(task)
            if event["reason"] == "late":
                assert event["selection"] in known.keys() - open_.keys(), event
            for selection in event["closes"]:
                del open_[selection]
            if event["reason"] == "unsolicited":
                assert (event["selection"], event["closes"]) == (None, []), event
        elif event["type"] == "dropped":
            for place, _ in event["drops"]:
                if event["selection"] in open_:  # by its id once nothing more of the selection is awaited
                    task = place if isinstance(place, str) else known[event["selection"]][place]
                    open_[event["selection"]].discard(task)
        elif event["type"] == "released":
            del open_[event["selection"]]
        steps.append(step)


def evidence(events: Sequence[Event]) -> dict[tuple[str, str], tuple[float, int]]:
    """(successes, trials) by (selection or key, task); each is counted exactly once.

    A fork's keys are its own: those that it took over are its parent's, and may count again.
    """
    counted: dict[tuple[str, str], tuple[float, int]] = {}
    selected = tasks_selected(events)
    taken_over = events[0].get("parent", {"step": 0})["step"]
    for event in of_kind(events, "committed"):
        rows = rows_of_event(event, selected)
        assert rows, event
        parents = "parent's " if event["step"] <= taken_over and event["reason"] == "unsolicited" else ""
        for source, task, successes, trials in rows:
            assert (parents + source, task) not in counted, f"counted twice: {parents}{source, task}"
            counted[parents + source, task] = (successes, trials)
    return counted


def commits(events: Sequence[Event]) -> list[list[tuple[str, str, float, int]]]:
    """(selection or key, task, successes, trials) of the outcomes of each commit, sorted."""
    selected = tasks_selected(events)
    return [sorted(rows_of_event(event, selected)) for event in of_kind(events, "committed")]


def tasks_selected(events: Sequence[Event]) -> dict[str, list[str]]:
    """The tasks of each selection."""
    return {event["selection"]: event["tasks"] for event in of_kind(events, "selected")}


def dense_run(events: Sequence[Event], tasks: Sequence[Task]) -> DenseRun:
    """The dense recursion over the log."""
    config = events[0]["config"]
    posterior = config["posterior"]
    implicit = posterior["implicit"]
    dense = DenseRun(
        posterior["forgetting"],
        posterior["implicit_weight"],
        posterior["rollouts"],
        tuple(posterior["prior"]),
        smoothing=implicit.get("smoothing", 0.9),
        interpolate=implicit["type"] == "interpolation",
    )
    selected = tasks_selected(events)
    for event in events:
        if event["type"] in ("created", "grown"):
            for task in tasks[len(dense.ids) : event["tasks"]]:
                rates = task.get("references", {})
                dense.join(
                    task["id"],
                    task.get("domain", DEFAULT_DOMAIN),
                    rates.get(implicit.get("weak")),
                    rates.get(implicit.get("strong")),
                )
        elif event["type"] == "committed":
            rows = rows_of_event(event, selected)
            dense.commit({task: (successes, trials) for _, task, successes, trials in rows})
    return dense


def check_dense(rows: Sequence[dict[str, Any]], dense: DenseRun) -> None:
    """Posteriors as they were answered agree with the dense recursion."""
    assert [row["task"] for row in rows] == dense.ids
    alpha, beta = np.array(dense.alpha), np.array(dense.beta)
    mean = alpha / (alpha + beta)
    expected = {
        "alpha": alpha,
        "beta": beta,
        "mean": mean,
        "sd": np.sqrt(mean * (1 - mean) / (alpha + beta + 1)),
    }
    for name, values in expected.items():
        answered = [row[name] for row in rows]
        np.testing.assert_allclose(answered, values, rtol=TOLERANCE, atol=0.0, err_msg=name)


def rows_of(state: RunState) -> list[dict[str, Any]]:
    """The posteriors of a folded state, as `GET /runs/{run}/posteriors` answers them."""
    tasks = np.arange(state.size)
    marginals = state.posterior.of_tasks(tasks)
    counted = [values.tolist() for values in state.history.tallies.of_tasks(tasks)]
    references = {name: state.table.reference(name).tolist() for name in sorted(state.table.reference_names)}
    columns = {
        "task": state.table.ids(tasks),
        "mean": marginals.mean().tolist(),
        "sd": marginals.sd().tolist(),
        **{name: values.tolist() for name, values in marginals.parameters().items()},
        "selected": state.history.times_selected(tasks).tolist(),
        "last_step": [None if step < 0 else step for step in state.history.last_step(tasks).tolist()],
        "domain": [state.table.domains[code] for code in state.table.domain_codes[tasks].tolist()],
        **dict(zip(("successes", "trials", "dropped"), counted, strict=True)),
        "excluded": state.withheld.has(tasks).tolist(),
        "references": [
            {name: rates[task] for name, rates in references.items() if not np.isnan(rates[task])}
            for task in tasks.tolist()
        ],
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def counts_of(state: RunState) -> list[dict[str, Any]]:
    """The all-time counts of a folded state's tasks, as the posteriors' rows have them."""
    counts = (column.tolist() for column in state.history.tallies.of_tasks(np.arange(state.size)))
    return [
        dict(zip(("successes", "trials", "dropped"), row, strict=True)) for row in zip(*counts, strict=True)
    ]


def view_of(state: RunState) -> dict[str, Any]:
    """What follows from a folded state in the answer of `GET /runs/{run}`."""
    told = RunStatus.of("", state).to_dict()
    return {name: value for name, value in told.items() if name not in ("run", "config")}


def check_draws(events: Sequence[Event], table: TaskTable, inherited: int = 0) -> RunState:
    """Every selection of the log is what the state it was drawn from draws; gives the state at the log's end.

    Those among its first `inherited` events were drawn by another run.
    """
    drawn = [event for event in events if event["type"] == "selected" and event["seq"] > inherited]
    # Most are drawn from the state that comes right before; only the others need an earlier one.
    kept = {event["drawn_from"] for event in drawn if event["drawn_from"] != event["seq"] - 1}
    state = fold(None, events[0], table)
    states: dict[int, RunState] = {}
    for event in events[1:]:
        before = event["seq"] - 1
        if before in kept:
            states[before] = state.copy()
        if event["type"] == "selected" and event["seq"] > inherited:
            drawn_from = state if event["drawn_from"] == before else states[event["drawn_from"]]
            if "informative" in event:
                choice = plan(drawn_from, event["informative"], event.get("rollouts"))
            else:
                choice = select(drawn_from, event["batch_size"])
            assert event["tasks"] == table.ids(choice.tasks), event
        state = fold(state, event, table)
    return state


def check_replay(run: Run, batch_sizes: Sequence[int] = (3, 1, 4, 2)) -> None:
    """The exported log, folded, is what both replicas have, bit for bit, and draws what they draw next."""
    events = run.events(0)
    assert events == run.events(1)
    table = table_of(run.tasks)
    state = check_draws(events, table, run.inherited)
    for replica in REPLICAS:
        rows = run.posteriors(replica)
        folded = [row | counts for row, counts in zip(rows_of(state), counts_of(state), strict=True)]
        told = [{name: row[name] for name in folded[0]} for row in rows]
        assert list(map(repr, told)) == list(map(repr, folded)), f"replica {replica}"
        view, expected = run.view(replica), view_of(state)
        evaluation = state.evaluated_informative / state.evaluated if state.evaluated else None
        expected |= {"etr": expected["etr"] | {"evaluation": evaluation}, "dropped": state.dropped}
        assert {name: view[name] for name in expected} == expected, f"replica {replica}"
    for turn, batch_size in enumerate(batch_sizes):
        predicted = table.ids(select(state, batch_size).tasks)
        answer = ok(run.select(turn % 2, batch_size))
        assert answer["tasks"] == predicted, f"selection {turn + 1} after the log, by replica {turn % 2}"
        for event in run.events(1 - turn % 2)[len(events) :]:
            state = fold(state, event, table)
            events.append(event)


def sums(counted: dict[tuple[str, str], tuple[float, int]]) -> dict[str, tuple[float, float]]:
    """(successes, failures) in all, by task."""
    totals: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for (_, task), (successes, trials) in counted.items():
        s, f = totals[task]
        totals[task] = (s + successes, f + trials - successes)
    return dict(totals)
