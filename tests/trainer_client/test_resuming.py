"""Selections by key: what a training gets that goes on from a checkpoint, and what it is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from trainer_client import Conflict, FakeSelector, Fallback, SelectorClient, SelectorUnavailable
from trainer_client.models import Selection
from trainer_client.resuming import KeyedSelections, OnRollback, RolledBack, StepKeys, Wanted
from trainer_client.steps import TrainingSteps


@pytest.fixture
def client(fake: FakeSelector) -> Iterator[SelectorClient]:
    with SelectorClient("http://selector", run="run", transport=fake.transport) as client:
        yield client


def keyed(client: SelectorClient, on_rollback: OnRollback = "fork") -> KeyedSelections:
    selections = KeyedSelections(client, on_rollback=on_rollback, explain=True)
    selections.go_on(None)
    return selections


def trained(client: SelectorClient, steps: int) -> list[Selection]:
    """What a training of so many steps was handed out and reported."""
    selections, made = keyed(client), list[Selection]()
    for step in range(steps):
        selection = selections.select(f"step-{step}.0", Wanted(2), step)
        client.report(selection, {task: [1, 0] for task in selection.tasks})
        made.append(selection)
    return made


def told(caplog: pytest.LogCaptureFixture, part: str) -> int:
    return sum(part in record.getMessage() for record in caplog.records)


def test_keys_name_a_step_and_which_of_its_selections_it_is():
    keys = StepKeys()
    assert [keys.next(step) for step in (0, 1, 1, 2)] == ["step-0.0", "step-1.0", "step-1.1", "step-2.0"]


def test_a_training_that_goes_back_goes_on_in_a_fork(
    client: SelectorClient, caplog: pytest.LogCaptureFixture
):
    trained(client, 3)
    again = keyed(client)
    selection = again.select("step-1.0", Wanted(2), None)
    assert (client.run, selection.run, selection.replayed, selection.step) == ("run-2", "run-2", False, 1)
    assert (
        told(caplog, "It goes on in run 'run-2', a fork with the first 1 commits; 'run' stays as it is") == 1
    )
    client.report(selection, {task: [1] for task in selection.tasks})
    assert (client.run_status("run").step, client.run_status("run-2").step) == (3, 2)


@pytest.mark.parametrize("wanted", [Wanted(2), Wanted(informative=1, rollouts=4)], ids=repr)
def test_who_goes_on_and_now_asks_for_reasons_gets_what_was_selected_without(
    client: SelectorClient, wanted: Wanted
):
    before = KeyedSelections(client, on_rollback="fork", explain=False).select("step-0.0", wanted, None)
    again = keyed(client).select("step-0.0", wanted, None)
    assert (again.selection, again.tasks, again.explain) == (before.selection, before.tasks, None)
    assert keyed(client).select("step-1.0", wanted, None).explain


@pytest.mark.parametrize("on_rollback", ["fork", "keep", "fail"])
@pytest.mark.parametrize("commits", [0, 1])
def test_a_training_that_goes_back_behind_the_horizon_goes_on_in_a_fork(
    client: SelectorClient, monkeypatch: pytest.MonkeyPatch, on_rollback: OnRollback, commits: int
):
    """The run has forgotten what the key stood for: what was committed before, the checkpoint tells."""
    trained(client, 3)
    select = client.select

    def forgotten(*arguments: object, key: str, **options: object):
        if client.run == "run" and key == "step-1.0":
            raise Conflict(409, "past-horizon", "key: it was used before, and what it stood for is forgotten")
        return select(*arguments, key=key, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(client, "select", forgotten)
    again = KeyedSelections(client, on_rollback=on_rollback, explain=True)
    again.go_on({"asked_for": "run", "run": "run", "commits": commits})
    if on_rollback == "fork" and commits:
        selection = again.select("step-1.0", Wanted(2), None)
        assert (selection.run, selection.replayed, selection.step) == ("run-2", False, commits)
        assert client.run_status("run-2").step == commits
    else:
        with pytest.raises(RolledBack if on_rollback == "fail" and commits else Conflict):
            again.select("step-1.0", Wanted(2), None)
        assert client.run == "run"


def test_the_fork_has_the_first_name_that_is_free(client: SelectorClient):
    trained(client, 1)
    for name in ("run-2", "run-3"):
        client.fork_run(name, "run")
    keyed(client).select("step-0.0", Wanted(2), None)
    assert client.run == "run-4"


def test_a_name_that_another_trainer_takes_meanwhile_is_left_to_it(
    client: SelectorClient, monkeypatch: pytest.MonkeyPatch
):
    trained(client, 1)
    fork_run = client.fork_run
    pool = client.run_status().config["pool"]

    def overtaken(new: str, run: str | None = None, *, step: int | None = None):
        if new == "run-2":
            client.create_run(new, pool, seed=99)
        return fork_run(new, run, step=step)

    monkeypatch.setattr(client, "fork_run", overtaken)
    keyed(client).select("step-0.0", Wanted(2), None)
    assert client.run == "run-3"


def test_a_checkpoint_remembers_the_fork_for_the_training_that_asked_for_its_parent(
    client: SelectorClient, fake: FakeSelector
):
    trained(client, 2)
    first = keyed(client)
    first.select("step-1.0", Wanted(2), None)
    remembered = json.loads(json.dumps(first.remembered()))
    assert remembered == {"asked_for": "run", "run": "run-2", "commits": 0}

    for asked_for, expected in (("run", "run-2"), ("elsewhere", "elsewhere")):
        with SelectorClient("http://selector", run=asked_for, transport=fake.transport) as other:
            KeyedSelections(other, on_rollback="fork", explain=False).go_on(remembered)
            assert other.run == expected
    with SelectorClient("http://selector", transport=fake.transport) as without:
        KeyedSelections(without, on_rollback="fork", explain=False).go_on(remembered)
        assert without.run is None
    first.go_on(None)
    assert client.run == "run", "a training that begins anew is the run that it was asked for"


def test_it_may_keep_its_run_and_is_told_once(client: SelectorClient, caplog: pytest.LogCaptureFixture):
    made = trained(client, 2)
    again = keyed(client, "keep")
    for step in range(2):
        selection = again.select(f"step-{step}.0", Wanted(2), None)
        assert (selection.replayed, selection.tasks) == (True, made[step].tasks)
    assert client.run == "run"
    assert told(caplog, "was handed out before and is committed") == 1


def test_it_may_end_instead(client: SelectorClient):
    trained(client, 1)
    with pytest.raises(RolledBack, match=r"run 'run' holds the outcomes of selection .* set on_rollback"):
        keyed(client, "fail").select("step-0.0", Wanted(2), None)


def test_a_word_that_it_does_not_know_is_refused_at_once(client: SelectorClient):
    with pytest.raises(ValueError, match=r"on_rollback: got 'frok'; it is one of fork, keep, fail"):
        TrainingSteps(client, on_rollback="frok")  # pyright: ignore[reportArgumentType]


def test_without_the_right_to_fork_it_goes_on_as_if_it_kept_the_run(
    client: SelectorClient, fake: FakeSelector, caplog: pytest.LogCaptureFixture
):
    made = trained(client, 1)
    answer = fake.transport

    def refuse(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(
                403, json={"code": "forbidden", "detail": "the token may not", "status": 403}
            )
        return answer.handle_request(request)

    with SelectorClient("http://s", run="run", transport=httpx.MockTransport(refuse)) as limited:
        selection = keyed(limited).select("step-0.0", Wanted(2), None)
    assert (selection.replayed, selection.tasks, selection.run) == (True, made[0].tasks, "run")
    assert told(caplog, "It cannot fork the run, so what it does again does not count") == 1


@pytest.mark.parametrize("with_fallback", [False, True])
def test_where_the_service_goes_away_while_it_forks_a_fallback_lets_it_go_on(
    client: SelectorClient,
    fake: FakeSelector,
    with_fallback: bool,
    tmp_path: Path,
    pauses: list[float],
):
    made = trained(client, 1)

    def away(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503) if request.method == "PUT" else fake.transport.handle_request(request)

    fallback = Fallback(["task-0", "task-1"], tmp_path) if with_fallback else None
    transport = httpx.MockTransport(away)
    with SelectorClient("http://s", run="run", transport=transport, fallback=fallback) as other:
        if with_fallback:
            assert keyed(other).select("step-0.0", Wanted(2), None).tasks == made[0].tasks
        else:
            with pytest.raises(SelectorUnavailable):
                keyed(other).select("step-0.0", Wanted(2), None)


def test_half_the_batch_takes_another_key_and_gives_the_open_selection_back(
    client: SelectorClient, caplog: pytest.LogCaptureFixture
):
    first = keyed(client).select("step-0.0", Wanted(4), None)
    again = keyed(client).select("step-0.0", Wanted(2), None)
    assert (len(again.tasks), again.replayed) == (2, False)
    assert [(row.key, row.status) for row in client.selections()] == [
        ("step-0.0", "released"),
        ("step-0.0~1", "open"),
    ]
    assert told(caplog, f"selection {first.selection} of key 'step-0.0' was handed out before") == 1


def test_a_selection_that_was_given_back_is_not_trained_on(client: SelectorClient):
    selections = keyed(client)
    client.release(selections.select("step-0.0", Wanted(2), None))
    selection = selections.select("step-0.0", Wanted(2), None)
    assert (selection.status, selection.replayed) == ("open", False)


def test_any_other_conflict_is_the_callers(client: SelectorClient):
    with pytest.raises(Conflict, match="batch-too-large"):
        keyed(client).select("step-0.0", Wanted(21), None)
