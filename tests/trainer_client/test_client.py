import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pyarrow import parquet

from trainer_client import (
    BatchTooLarge,
    FakeSelector,
    Fallback,
    InvalidRequest,
    NotFound,
    Outcome,
    SelectorClient,
    SelectorUnavailable,
    Task,
    Unauthorized,
    _pools_and_runs,
)


@pytest.fixture
def client(fake: FakeSelector) -> Iterator[SelectorClient]:
    with SelectorClient("http://selector", run="run", transport=fake.transport) as client:
        yield client


def bodies(fake: FakeSelector) -> list[dict]:
    return [json.loads(request.content) for request in fake.requests]


def test_one_loop_of_a_training(client: SelectorClient, fake: FakeSelector):
    selection = client.select(2, key="step-0")
    first, second = selection.tasks
    receipt = client.report(selection, {first: [1, 0, 1, 0], second: [0.5, 0.25]})
    assert (receipt.accepted, receipt.remaining, receipt.committed, receipt.step) == (2, 0, True, 1)
    assert fake.evidence("run") == {first: (2, 4), second: (0.75, 2)}


def test_outcomes_are_counts_or_rewards_of_each_task(client: SelectorClient, fake: FakeSelector):
    selection = client.select(2)
    first, second = selection.tasks
    client.report(selection, [Outcome(task=first, successes=3, trials=16)])
    client.report(selection, {second: (reward for reward in [1, 0])})
    assert fake.evidence("run") == {first: (3, 16), second: (1, 2)}


def test_a_lost_reply_costs_nothing_since_all_attempts_carry_one_key(
    client: SelectorClient, fake: FakeSelector, pauses: list[float]
):
    fake.lose_replies(2)
    selection = client.select(3)
    assert selection.replayed
    assert len({body["key"] for body in bodies(fake)}) == 1
    assert len(fake.requests) == 3
    assert client.run_status().selections.open == 1


def test_calls_without_a_key_are_different_selections(client: SelectorClient):
    assert client.select(3).selection != client.select(3).selection


def test_a_key_gets_the_same_selection_again(client: SelectorClient):
    assert client.select(3, key="step-0").tasks == client.select(3, key="step-0").tasks


def test_a_report_whose_reply_was_lost_counts_once(
    client: SelectorClient, fake: FakeSelector, pauses: list[float]
):
    selection = client.select(1)
    fake.lose_replies()
    receipt = client.report(selection, {selection.tasks[0]: [1, 0]})
    assert (receipt.accepted, receipt.duplicates) == (0, 1)
    assert fake.evidence("run") == {selection.tasks[0]: (1, 2)}


def replay_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "reported before" in record.message]


@pytest.mark.parametrize("with_fallback", [False, True])
def test_a_second_training_on_the_same_run_is_warned_once(
    with_fallback: bool, fake: FakeSelector, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for training in range(2):
        fallback = Fallback([f"task-{number}" for number in range(20)], tmp_path) if with_fallback else None
        client = SelectorClient("http://selector", run="run", transport=fake.transport, fallback=fallback)
        for step in range(3):
            selection = client.select(2, key=f"step-{step}")
            client.report(selection, {task: [1, 0] for task in selection.tasks})
        assert len(replay_warnings(caplog)) == training
    (message,) = replay_warnings(caplog)
    assert "run 'run'" in message
    assert "a restart from scratch needs a new run" in message


def test_a_replay_that_brings_news_or_a_report_sent_twice_is_no_second_training(
    client: SelectorClient, fake: FakeSelector, caplog: pytest.LogCaptureFixture
):
    first, second = client.select(2, key="step-0").tasks
    replayed = client.select(2, key="step-0")
    client.report(replayed, {first: [1]})
    client.report(replayed, {first: [1], second: [1]})
    fresh = client.select(1)
    for _ in range(2):
        client.report(fresh, {fresh.tasks[0]: [1]})
    assert replay_warnings(caplog) == []


def test_final_commits_without_the_missing_tasks(client: SelectorClient):
    selection = client.select(3)
    receipt = client.report(selection, {selection.tasks[0]: [1]}, final=True)
    assert (receipt.remaining, receipt.committed) == (2, True)


def test_final_without_outcomes_releases_the_selection(client: SelectorClient):
    client.report(client.select(3), {}, final=True)
    assert client.run_status().selections.released == 1


def test_an_empty_report_is_a_mistake(client: SelectorClient):
    with pytest.raises(ValueError, match="outcomes: none given"):
        client.report(client.select(1), [])


def test_an_outcome_of_another_selections_task_is_a_mistake(client: SelectorClient):
    selection = client.select(1)
    with pytest.raises(ValueError, match="'other' is not of selection"):
        client.report(selection, {"other": [1]})


def test_a_batch_larger_than_what_is_free_says_how_many_are(client: SelectorClient):
    client.select(15)
    with pytest.raises(BatchTooLarge) as caught:
        client.select(6)
    assert caught.value.available == 5


def test_an_impossible_batch_size_is_refused_by_the_service(client: SelectorClient):
    with pytest.raises(InvalidRequest, match="batch_size"):
        client.select(0)


def test_an_explanation_comes_with_the_tasks(client: SelectorClient):
    selection = client.select(2, explain=True)
    assert selection.explain is not None
    assert [row.task for row in selection.explain] == selection.tasks


def test_without_a_run_the_call_says_what_to_do(fake: FakeSelector):
    client = SelectorClient("http://selector", transport=fake.transport)
    with pytest.raises(ValueError, match="run=…"):
        client.select(1)


def test_unavailability_reaches_a_trainer_without_fallback(
    client: SelectorClient, fake: FakeSelector, pauses: list[float]
):
    fake.down()
    with pytest.raises(SelectorUnavailable):
        client.select(1)


def test_the_token_comes_from_the_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch):
    fake = FakeSelector(token="bots_secret")
    with pytest.raises(Unauthorized):
        SelectorClient("http://selector", transport=fake.transport).create_pool("p")
    SelectorClient("http://selector", token="bots_secret", transport=fake.transport).create_pool("p")
    monkeypatch.setenv("SELECTOR_TOKEN", "bots_secret")
    SelectorClient("http://selector", transport=fake.transport).create_pool("p")


def test_a_token_loses_its_line_break_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """As `echo` leaves one at the end of a Kubernetes secret."""
    fake = FakeSelector(token="bots_secret")
    SelectorClient("http://selector", token="bots_secret\n", transport=fake.transport).create_pool("p")
    monkeypatch.setenv("SELECTOR_TOKEN", "bots_secret\n")
    SelectorClient("http://selector", transport=fake.transport).create_pool("p")
    for token, named in (("bots\nsecret", "token"), (None, "SELECTOR_TOKEN"), (None, "SELECTOR_TOKEN_FILE")):
        (tmp_path / "token").write_text("bots\nsecret")
        monkeypatch.setenv("SELECTOR_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("SELECTOR_TOKEN", "bots\nsecret" if named == "SELECTOR_TOKEN" else "")
        with pytest.raises(ValueError, match=f"^{named}: ") as caught:
            SelectorClient("http://selector", token=token, transport=fake.transport)
        assert "secret" not in str(caught.value)


def test_the_token_can_be_a_mounted_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fake = FakeSelector(token="bots_secret")
    secret = tmp_path / "token"
    monkeypatch.setenv("SELECTOR_TOKEN_FILE", str(secret))
    with pytest.raises(ValueError, match=r"SELECTOR_TOKEN_FILE: .*cannot be read"):
        SelectorClient("http://selector", transport=fake.transport)
    secret.write_text("bots_secret\n")
    SelectorClient("http://selector", transport=fake.transport).create_pool("p")


def test_a_mounted_token_that_is_replaced_is_read_again_at_a_401(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    secret = tmp_path / "token"
    secret.write_text("bots_old")
    monkeypatch.setenv("SELECTOR_TOKEN_FILE", str(secret))
    fake = FakeSelector(token="bots_new")
    client = SelectorClient("http://selector", transport=fake.transport)
    with pytest.raises(Unauthorized):
        client.create_pool("p")
    assert len(fake.requests) == 1
    secret.write_text("bots_new\n")
    client.create_pool("p")
    client.create_pool("p")
    assert len(fake.requests) == 4


def test_the_address_comes_from_the_argument_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    fake = FakeSelector()
    with pytest.raises(ValueError, match="SELECTOR_URL or SELECTOR_URL_FILE"):
        SelectorClient(transport=fake.transport)
    file = tmp_path / "url"
    file.write_text("http://announced:1\n")
    monkeypatch.setenv("SELECTOR_URL_FILE", str(file))
    SelectorClient(transport=fake.transport).create_pool("p")
    monkeypatch.setenv("SELECTOR_URL", "http://named:2\n")
    SelectorClient(transport=fake.transport).create_pool("p")
    SelectorClient("http://given:3", transport=fake.transport).create_pool("p")
    assert [request.url.host for request in fake.requests] == ["announced", "named", "given"]


def test_a_service_that_moves_is_followed_by_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pauses: list[float]
):
    file = tmp_path / "url"
    monkeypatch.setenv("SELECTOR_URL_FILE", str(file))
    moves = ["http://second:2\n", "nonsense half wri", None]
    fake = FakeSelector()

    def answer(request: httpx.Request) -> httpx.Response:
        if moves:  # It is away, and comes back elsewhere.
            now = moves.pop(0)
            file.unlink() if now is None else file.write_text(now)
            raise httpx.ConnectError("refused")
        return fake.transport.handle_request(request)

    file.write_text("http://first:1")
    client = SelectorClient(transport=httpx.MockTransport(answer))
    client.create_pool("p")
    assert [request.url.host for request in fake.requests] == ["second"]
    assert fake.requests[0].headers["Host"] == "second:2"
    file.write_text("http://third:3")
    client.create_pool("p")
    assert fake.requests[-1].url.host == "third"
    assert len(pauses) == 3


def test_retries_outlast_a_restart_and_are_fewer_with_a_fallback(tmp_path: Path, pauses: list[float]):
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def waited(client: SelectorClient) -> float:
        pauses.clear()
        with pytest.raises(SelectorUnavailable):
            client.create_pool("p")
        return sum(pauses)

    away_for_good = httpx.MockTransport(away)
    assert 60 <= waited(SelectorClient("http://s", transport=away_for_good)) < 68
    pauses.clear()
    with pytest.raises(SelectorUnavailable):
        list(SelectorClient("http://s", run="r", transport=away_for_good).events())
    assert 60 <= sum(pauses) < 68
    fallback = Fallback(["a"], tmp_path)
    assert waited(SelectorClient("http://s", transport=away_for_good, fallback=fallback)) < 8
    assert waited(SelectorClient("http://s", transport=away_for_good, max_retries=0)) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_url": "selector:8000"},
        {"base_url": "http://"},
        {"base_url": "http://selector:port"},
        {"base_url": "http://selector\n:8000"},
        {"base_url": "http://the selector:8000"},
        {"base_url": "http://selector:99999"},
        {"max_retries": -1},
    ],
)
def test_a_client_that_cannot_work_is_not_made(arguments: dict):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SelectorClient(**{"base_url": "http://selector", **arguments})


def test_a_service_under_a_path_is_reached():
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(204)

    client = SelectorClient("http://host/selector/", transport=httpx.MockTransport(answer))
    client.delete_run("a/b c")
    assert paths == ["/selector/runs/a%2Fb%20c"]


def test_pools_and_runs_are_administered():
    fake = FakeSelector()
    client = SelectorClient("http://selector", transport=fake.transport)
    client.create_pool("maths")
    tasks = [Task(id="a"), Task(id="b", domain="algebra", references={"weak": 0.1, "strong": 0.8})]
    receipt = client.add_tasks("maths", tasks)
    assert (receipt.inserted, receipt.unchanged, receipt.tasks) == (2, 0, 2)
    pool = client.pool("maths")
    assert (pool.domains, pool.references) == ({"default": 1, "algebra": 1}, ["strong", "weak"])
    status = client.create_run("run", "maths", seed=7, policy={"type": "random"})
    assert (status.config["seed"], status.config["policy"], status.tasks) == (7, {"type": "random"}, 2)
    client.delete_run("run")
    client.delete_pool("maths")
    with pytest.raises(NotFound):
        client.pool("maths")


def test_many_tasks_go_in_bounded_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_pools_and_runs, "BATCH_TASKS", 3)
    monkeypatch.setattr(_pools_and_runs, "BATCH_BYTES", 100)
    fake = FakeSelector()
    client = SelectorClient("http://selector", transport=fake.transport)
    client.create_pool("p")
    names = ["a", "b", "c", "d", "x" * 90, "y" * 90, "z"]
    receipt = client.add_tasks("p", (Task(id=name) for name in names))
    assert (receipt.inserted, receipt.tasks) == (7, 7)
    assert [request.content.count(b"\n") for request in fake.requests[1:]] == [3, 1, 1, 1, 1]


def test_tasks_are_sent_again_after_trouble(pauses: list[float]):
    fake = FakeSelector()
    client = SelectorClient("http://selector", transport=fake.transport)
    client.create_pool("p")
    fake.lose_replies()
    receipt = client.add_tasks("p", [Task(id="a"), Task(id="b")])
    assert (receipt.inserted, receipt.unchanged, receipt.tasks) == (0, 2, 2)


def test_no_tasks_are_no_mistake(client: SelectorClient):
    assert client.add_tasks("pool", []).tasks == 20


def test_posteriors_come_from_all_pages(
    client: SelectorClient, fake: FakeSelector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainer_client._fake_views.POSTERIORS_PAGE", 7)
    assert [row.task for row in client.posteriors()] == [f"task-{number}" for number in range(20)]
    assert len(fake.requests) == 3
    (row,) = client.posteriors(task="task-3")
    assert (row.mean, row.selected, row.last_step) == (0.5, 0, None)


def test_posteriors_are_downloaded_as_one_file(service_url: str, tmp_path: Path):
    run = f"run-{uuid4().hex}"
    with SelectorClient(service_url, run=run) as client:
        client.create_pool(run)
        client.add_tasks(run, (Task(id=f"task-{number}") for number in range(20)))
        client.create_run(run, run)
        selection = client.select(2)
        client.report(selection, {task: [1, 0] for task in selection.tasks})
        file = tmp_path / "posteriors.parquet"
        client.download_posteriors(file)
        rows = parquet.read_table(file).to_pylist()
        assert [{**row, "references": dict(row["references"])} for row in rows] == [
            row.model_dump() for row in client.posteriors()
        ]
        with pytest.raises(NotFound, match="unknown-run"):
            client.download_posteriors(file, "no-such-run")
        assert parquet.read_metadata(file).num_rows == 20


PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


class BrokenFile(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"much of a longer file"
        raise httpx.ReadError("broken")


def test_a_broken_download_starts_anew(tmp_path: Path, pauses: list[float]):
    answers = [
        httpx.Response(503),
        httpx.Response(200, headers=PARQUET, stream=BrokenFile()),
        httpx.Response(200, headers=PARQUET, content=b"a file"),
    ]
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    SelectorClient("http://selector", transport=transport).download_posteriors(tmp_path / "file", "run")
    assert (tmp_path / "file").read_bytes() == b"a file"
    assert len(pauses) == 2


def test_a_download_that_is_refused_or_not_the_selectors_is_an_error(
    client: SelectorClient, tmp_path: Path, pauses: list[float]
):
    with pytest.raises(InvalidRequest, match="not-acceptable"):
        client.download_posteriors(tmp_path / "file")
    assert not (tmp_path / "file").exists()
    proxy = httpx.MockTransport(lambda request: httpx.Response(200, html="<p>Sign in</p>"))
    with pytest.raises(SelectorUnavailable, match="not the selector's"):
        SelectorClient("http://selector", transport=proxy).download_posteriors(tmp_path / "file", "run")


def test_events_are_the_log_after_a_place(client: SelectorClient):
    selection = client.select(1)
    client.report(selection, {selection.tasks[0]: [1]})
    assert [event["type"] for event in client.events()] == ["created", "selected", "committed"]
    assert [event["seq"] for event in client.events(after=2)] == [3]


class BrokenStream(httpx.SyncByteStream):
    """Two events and half of a third; then the connection breaks."""

    def __iter__(self) -> Iterator[bytes]:
        yield '{"seq": 1}\n{"seq": 2, "task": "a\u2028'.encode()
        yield b'b"}\n{"seq"'
        raise httpx.ReadError("broken")


def test_a_broken_stream_of_events_is_taken_up_where_it_broke(pauses: list[float]):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["after"])
        answers = [
            httpx.Response(503),
            httpx.Response(200, stream=BrokenStream()),
            httpx.Response(200, text='{"seq": 3}\n'),
        ]
        return answers[len(asked) - 1]

    client = SelectorClient("http://selector", run="run", transport=httpx.MockTransport(answer))
    assert list(client.events()) == [{"seq": 1}, {"seq": 2, "task": "a\u2028b"}, {"seq": 3}]
    assert asked == ["0", "0", "2"]


def test_events_of_an_unknown_run_are_an_error(client: SelectorClient):
    with pytest.raises(NotFound):
        list(client.events("other"))


def test_a_step_is_planned_and_topped_up(client: SelectorClient):
    first = client.select(informative=8, rollouts=8, key="step-7.0", explain=True)
    assert len(first.tasks) == 11  # of 7/9 each
    assert first.predicted is not None
    assert first.predicted.informative == pytest.approx(77 / 9)
    assert first.explain is not None
    assert first.explain[0].informative == pytest.approx(7 / 9)
    second = client.select(informative=2, rollouts=8, key="step-7.1")
    assert not set(second.tasks) & set(first.tasks)
    with pytest.raises(BatchTooLarge) as caught:
        client.select(informative=20, rollouts=8)
    assert (caught.value.available, caught.value.informative) == (6, pytest.approx(6 * 7 / 9))
    with pytest.raises(BatchTooLarge) as caught:
        client.select(20)
    assert caught.value.informative is None


@pytest.mark.parametrize("size", [{}, {"batch_size": 3, "informative": 2}])
def test_a_batch_has_a_size_or_is_planned(client: SelectorClient, size: dict):
    with pytest.raises(ValueError, match="give either batch_size, or informative"):
        client.select(**size)
