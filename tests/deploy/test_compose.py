"""docker compose up, on a real engine: `make test-compose`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.deploy.stack import Stack, wait_for
from trainer_client import Forbidden, NotFound, SelectorClient, SelectorUnavailable, Task, Unauthorized

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("BOTS_TEST_DOCKER" not in os.environ, reason="make test-compose runs it"),
]

RUN = "run"
PULL_MEGABYTES = 250
BASE_MEGABYTES = 45
"""What python:3.11-slim-bookworm takes to pull; a stand-in for it is larger."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An installation after its first start, with a pool of a hundred tasks and a run."""
    stack = Stack()
    stack.compose("build")
    stack.down("--volumes")
    stack.up()
    try:
        with stack.client("admin") as admin:
            admin.create_pool("pool")
            admin.add_tasks("pool", [Task(id=f"task-{number}") for number in range(100)])
            admin.create_run(RUN, "pool")
        yield stack
    finally:
        logs = stack.compose("--profile", "*", "logs", "--no-color")
        stack.down("--volumes")
    print(logs[-3000:])


@pytest.fixture
def trainer(stack: Stack) -> Iterator[SelectorClient]:
    with stack.client("train", RUN) as client:
        yield client


def step(trainer: SelectorClient, key: str) -> None:
    selection = trainer.select(8, key=key)
    trainer.report(selection, {task: [1.0, 0.0, 1.0] for task in selection.tasks})


def everything(stack: Stack) -> list[Any]:
    """All that the service tells of the run."""
    headers = {"Authorization": f"Bearer {stack.token('read')}"}
    with httpx.Client(base_url=stack.url, headers=headers) as http:
        answers = [
            http.get(f"/runs/{RUN}{part}").raise_for_status() for part in ("", "/posteriors", "/events")
        ]
    return [answer.text for answer in answers]


def test_images_are_small_and_not_of_root(stack: Stack) -> None:
    (image,) = json.loads(stack.docker("image", "inspect", "bots-selector:0.3.0"))
    (base,) = json.loads(stack.docker("image", "inspect", "python:3.11-slim-bookworm"))
    unpacked = (image["Size"] - base["Size"]) / 1e6
    packed = stack.compressed_size("bots-selector:0.3.0", below=len(base["RootFS"]["Layers"])) / 1e6
    print(f"\nthe selector's image on top of its base: {packed:.0f} MB to pull, {unpacked:.0f} MB unpacked")
    assert packed + BASE_MEGABYTES < PULL_MEGABYTES
    assert image["Config"]["User"] == "10001:10001"


def test_nobody_gets_in_without_a_token(stack: Stack) -> None:
    with SelectorClient(stack.url, run=RUN) as stranger, pytest.raises(Unauthorized):
        stranger.select(1)
    with SelectorClient(stack.url, run=RUN, token="x" * 40) as stranger, pytest.raises(Unauthorized):
        stranger.select(1)
    with stack.client("read", RUN) as reader, pytest.raises(Forbidden):
        reader.select(1)


def test_a_trainer_selects_and_reports(trainer: SelectorClient) -> None:
    for number in range(3):
        step(trainer, f"first-{number}")
    assert trainer.run_status().step == 3


@pytest.mark.parametrize("service", ["selector", "redis"])
def test_a_crash_loses_nothing(stack: Stack, trainer: SelectorClient, service: str) -> None:
    step(trainer, f"{service}-before")
    open_selection = trainer.select(8, key=f"{service}-open")
    before = everything(stack)
    stack.crash(service)
    assert everything(stack) == before
    again = trainer.select(8, key=f"{service}-open")
    assert (again.selection, again.tasks) == (open_selection.selection, open_selection.tasks)
    trainer.report(again, {task: [0.0, 1.0] for task in again.tasks})
    step(trainer, f"{service}-after")


def test_down_and_up_keep_everything(stack: Stack, trainer: SelectorClient) -> None:
    step(trainer, "down")
    before, token = everything(stack), stack.token("admin")
    stack.down()
    with SelectorClient(stack.url, run=RUN, max_retries=0) as nobody, pytest.raises(SelectorUnavailable):
        nobody.select(1)
    stack.up()
    assert everything(stack) == before
    assert stack.token("admin") == token
    step(trainer, "up")


def test_a_token_is_replaced_without_a_gap(stack: Stack) -> None:
    """By the commands of docs/how-to/security.md."""

    def is_taken(token: str) -> bool:
        with SelectorClient(stack.url, run=RUN, token=token) as client, suppress(Unauthorized):
            return client.run_status().run == RUN
        return False

    def do(program: str, *arguments: str) -> None:
        stack.compose("run", "--rm", "--no-TTY", "--entrypoint", program, "secrets", *arguments)

    old = stack.token("train")
    do("mv", "/secrets/token-train/token", "/secrets/token-train/previous")
    stack.up()
    new = stack.token("train")
    assert new != old
    assert is_taken(old)
    assert is_taken(new)
    do("rm", "-f", "/secrets/token-train/previous")
    stack.up()
    wait_for(lambda: not is_taken(old), 30)
    assert is_taken(new)


def test_commands_work_inside(stack: Stack) -> None:
    assert RUN in stack.compose("exec", "--no-TTY", "selector", "bots", "run", "show", RUN)


def test_only_the_selector_reaches_redis(stack: Stack) -> None:
    connect = "import socket; socket.create_connection(('redis', 6379), 5); print('connected')"
    assert stack.inside("store", connect).strip() == "connected"
    with pytest.raises(AssertionError, match=r"Name or service not known|name resolution"):
        stack.inside("trainers", connect)


def test_prometheus_scrapes_and_knows_its_alerts(stack: Stack, trainer: SelectorClient) -> None:
    """The real one, of whatever version the image is."""
    step(trainer, "scraped")
    stack.compose("--profile", "observability", "up", "--detach", "prometheus")

    def answer(path: str) -> Any:
        get = f"import urllib.request as r; print(r.urlopen('http://prometheus:9090/api/v1/{path}').read().decode())"
        return json.loads(stack.inside("metrics", get))["data"]

    def steps_of_run() -> list[Any]:
        with suppress(AssertionError):  # until it listens
            return answer(f"query?query=bots_run_step%7Brun=%22{RUN}%22%7D")["result"]
        return []

    (series,) = wait_for(steps_of_run, 120)
    assert float(series["value"][1]) == trainer.run_status().step
    rules = [rule for group in answer("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 5
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}  # Unknown before its first evaluation.
    stack.compose("--profile", "observability", "rm", "--stop", "--force", "prometheus")


def test_the_demo_makes_progress(stack: Stack) -> None:
    stack.compose("--profile", "demo", "up", "--detach", "demo")
    with stack.client("read", "demo") as reader:

        def steps() -> bool:
            state = stack.compose(
                "--profile", "demo", "ps", "--all", "--format", "{{.State}}", "demo"
            ).strip()
            assert state == "running", stack.compose("--profile", "demo", "logs", "demo")[-5000:]
            with suppress(NotFound):  # until the trainer has made its run
                return reader.run_status().step >= 3
            return False

        wait_for(steps, 900)
    stack.compose("--profile", "demo", "rm", "--stop", "--force", "demo")


def test_no_secret_is_in_a_log(stack: Stack) -> None:
    logs = stack.compose("--profile", "*", "logs", "--no-color")
    assert '"event": "serving"' in logs
    url = stack.compose(
        "run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "cat", "tokens", "/run/secrets/redis-url/url"
    )
    password = url.split(":")[2].split("@")[0]
    for secret in (password, *(stack.token(scope) for scope in ("admin", "train", "read"))):
        assert secret not in logs
