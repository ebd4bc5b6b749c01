"""A command names what was misspelt and what is near it, and the next step is a command."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

import trainer_client
from services.command_line.refusals import COMMANDS, in_commands
from tests.bots.conftest import Bots
from tests.servers import valkey_with_user
from tests.service import Service
from trainer_client import FakeSelector, SelectorClient


def test_a_call_without_the_token_that_it_needs_says_how_one_is_given(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeSelector(token="right")
    monkeypatch.setattr(trainer_client, "SelectorClient", partial(SelectorClient, transport=fake.transport))
    for options in ((), ("--token", "wrong")):
        refused = bots("run", "list", *options)
        assert refused.exit_code == 1
        assert "--token, SELECTOR_TOKEN or SELECTOR_TOKEN_FILE" in refused.stderr
    assert bots("run", "list", "--token", "right").exit_code == 0


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://127.0.0.1:8000", "redis://127.0.0.1"])
def test_an_address_of_another_scheme_is_told_from_what_it_was_read(
    bots: Bots, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SELECTOR_URL", address)
    refused = bots("run", "list")
    assert refused.exit_code == 2
    assert "--url (or SELECTOR_URL)" in refused.stderr
    assert f"got '{address}', it must start with http:// or https://, as in http://" in refused.stderr
    with pytest.raises(ValueError, match="SELECTOR_URL: got"):
        SelectorClient()


def test_a_proxys_page_is_not_taken_for_the_service(bots: Bots, monkeypatch: pytest.MonkeyPatch) -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, html="<html>Sign in</html>"))
    monkeypatch.setattr(trainer_client, "SelectorClient", partial(SelectorClient, transport=page))
    monkeypatch.setattr("time.sleep", lambda _: None)
    refused = bots("run", "list")
    assert refused.exit_code == 1
    assert "the answer is not the selector's" in refused.stderr
    assert "--url" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("show",), ("delete", "--yes"), ("exclude", "task-0"), ("history",)])
def test_a_run_misspelt(bots: Bots, service_url: str, run: str, command: tuple[str, ...]) -> None:
    name, *options = command
    result = bots("run", name, run[:-1], *options, "--url", service_url)
    assert result.exit_code == 2
    assert f"there is none named '{run[:-1]}'; near it: '{run}'" in result.stderr
    assert "`bots run list` lists them, `bots run create` creates one" in result.stderr
    assert "PUT /" not in result.stderr


@pytest.mark.parametrize("command", [("show",), ("delete", "--yes"), ("retire", "task-0")])
def test_a_pool_misspelt(bots: Bots, service_url: str, run: str, command: tuple[str, ...]) -> None:
    name, *options = command
    result = bots("pool", name, run[:-1], *options, "--url", service_url)
    assert result.exit_code == 2
    assert f"there is none named '{run[:-1]}'; near it: '{run}'" in result.stderr
    assert "`bots pool list` lists them, `bots pool import` creates one" in result.stderr


def test_the_pool_of_a_new_run_misspelt(bots: Bots, service_url: str, run: str) -> None:
    result = bots("run", "create", "new", "--pool", run[:-1], "--url", service_url)
    assert result.exit_code == 2
    assert f"near it: '{run}'; `bots pool list` lists them" in result.stderr


def test_the_address_stands_in_the_environment(
    bots: Bots, service_url: str, run: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    show = ("run", "show", run)
    file = tmp_path / "url"
    file.write_text(f"{service_url}\n")
    monkeypatch.setenv("SELECTOR_URL_FILE", str(file))
    assert bots(*show).exit_code == 0
    monkeypatch.setenv("SELECTOR_URL", "http://127.0.0.1:9")
    assert "no service at http://127.0.0.1:9" in bots("run", "watch", run).stderr
    assert bots(*show, "--url", service_url).exit_code == 0
    monkeypatch.setenv("SELECTOR_URL", service_url)
    monkeypatch.setenv("SELECTOR_URL_FILE", "missing")
    assert bots(*show).exit_code == 0
    monkeypatch.delenv("SELECTOR_URL")
    missing = bots(*show)
    assert missing.exit_code == 2
    assert "SELECTOR_URL_FILE: missing cannot be read" in missing.stderr


def test_every_command_of_a_call_is_there_and_every_call_is_the_services(
    bots: Bots, service_url: str
) -> None:
    paths: dict[str, Any] = httpx.get(f"{service_url}/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    for call, command in COMMANDS.items():
        assert call.partition(" with ")[0].replace("{new}", "{run}") in calls
        assert bots(*command.split()[1:3], "--help").exit_code == 0
    assert in_commands("PUT /runs/{run} creates one") == "`bots run create` creates one"
    assert in_commands("(POST /runs/a/selections/s1-2/release), if") == "(`bots run release a s1-2`), if"
    assert in_commands('PUT /runs/{new} with "fork"') == "`bots run create NEW --fork RUN`"
    assert in_commands("GET /else and GET /runs/a/b") == "GET /else and GET /runs/a/b"


@pytest.mark.slow
def test_data_of_another_release_is_no_missing_service(bots: Bots, tmp_path: Path, run: str) -> None:
    from redis import Redis

    with valkey_with_user(tmp_path / "valkey", "password") as port:
        url = f"redis://selector:password@127.0.0.1:{port}/0"
        service = Service(tmp_path / "data", redis_url=url).start()
        try:
            httpx.put(f"{service.url}/pools/p").raise_for_status()
            httpx.put(f"{service.url}/runs/r", json={"pool": "p"}).raise_for_status()
            with Redis.from_url(url) as redis:
                redis.hset("bots:{run:r}", "config", json.dumps({"pool": "p", "from": "0.9"}))
            result = bots("run", "create", "r", "--pool", "p", "--url", service.url)
            assert result.exit_code == 1
            assert "no service" not in result.stderr
            assert f"the service at {service.url} cannot answer" in result.stderr
            assert "written by another release" in result.stderr
        finally:
            service.stop()
