"""A Redis with users, by TLS: what an operator gives as its URL, and that none of it gets into the log."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.servers import certificate, tls_before, valkey_with_user
from tests.service import Service, free_port
from tests.web.calls import TASKS, add_tasks, everything, report, seen, select

PASSWORD = f"planted-password-{secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with valkey_with_user(tmp_path_factory.mktemp("valkey"), PASSWORD) as port:
        yield port


def work(http: httpx.Client, name: str) -> None:
    """Every call that reaches Redis."""
    assert http.put(f"/pools/{name}", json={}).status_code == 201
    assert add_tasks(http, name, TASKS).status_code == 200
    assert http.put(f"/runs/{name}", json={"pool": name}).status_code == 201
    for step in range(4):
        selection = select(http, name, key=f"step-{step}")
        report(http, name, selection["selection"], [seen(task) for task in selection["tasks"]])
    report(http, name, None, [seen("task-1")], key="away")
    everything(http, name, name)
    assert http.get("/metrics").status_code == 200
    assert http.delete(f"/runs/{name}").status_code == 204
    assert http.delete(f"/pools/{name}").status_code == 204


def test_a_user_with_few_rights_is_enough(port: int, tmp_path: Path) -> None:
    url = f"redis://selector:{PASSWORD}@127.0.0.1:{port}/0"
    with Service(tmp_path, url, {"SELECTOR_SNAPSHOT_EVERY": "3"}) as service:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            work(http, "acl")
        assert service.stop() == 0, service.log()
    assert service.log() == ""


def test_redis_is_reached_by_tls(port: int, tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    with tls_before(port, made, key) as tls_port:
        url = f"rediss://selector:{PASSWORD}@localhost:{tls_port}/0?ssl_ca_certs={made}"
        with Service(tmp_path / "data", url) as service:
            with httpx.Client(base_url=service.url, timeout=60) as http:
                work(http, "tls")
            assert service.stop() == 0, service.log()


def serve(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A service that cannot start."""
    command = [sys.executable, "-m", "bots", "serve", "--port", "0", "--data-dir", str(folder)]
    environment = os.environ | {"SELECTOR_REDIS_URL": url, "SELECTOR_LOG_LEVEL": "debug"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_certificate_that_is_not_trusted_is_refused(port: int, tmp_path: Path) -> None:
    made, key = certificate(tmp_path / "of the server")
    other, _ = certificate(tmp_path / "of another")
    with tls_before(port, made, key) as tls_port:
        for host, authority, words in (
            ("localhost", other, "certificate verify failed"),
            ("127.0.0.1", made, "IP address mismatch"),
        ):
            url = f"rediss://selector:{PASSWORD}@{host}:{tls_port}/0?ssl_ca_certs={authority}"
            ended = serve(url, tmp_path)
            assert ended.returncode == 1
            assert words in ended.stderr
            assert PASSWORD not in ended.stdout + ended.stderr


@pytest.mark.parametrize("user", ["selector", "nobody"])
def test_a_wrong_password_is_said_and_not_shown(port: int, tmp_path: Path, user: str) -> None:
    ended = serve(f"redis://{user}:{PASSWORD}-wrong@127.0.0.1:{port}/0", tmp_path)
    assert ended.returncode == 1
    assert "Redis is not available: invalid username-password pair" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr


def token(url: str, name: str, scope: str, *more: str) -> str:
    """A token, as an operator makes it."""
    command = [sys.executable, "-m", "bots", "token", "create", "--name", name, "--scope", scope]
    command += [*more, "--redis-url", url]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert PASSWORD not in made.stdout + made.stderr
    return made.stdout.strip()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_gets_into_the_log(tmp_path: Path, log_format: str) -> None:
    """Everything is logged, and much goes wrong: at last, Redis ends."""
    environment = {"SELECTOR_LOG_FORMAT": log_format, "SELECTOR_LOG_LEVEL": "debug"}
    with ExitStack() as stack:
        port = stack.enter_context(valkey_with_user(tmp_path / "valkey", PASSWORD))
        url = f"redis://selector:{PASSWORD}@127.0.0.1:{port}/0"
        tokens = [token(url, "root", "admin"), token(url, "reader", "read"), f"bots_{secrets.token_hex(32)}"]
        tokens.append(secrets.token_hex(32))  # looks like an id
        (tmp_path / "mounted").write_text(tokens[-1])
        assert token(url, "mounted", "train", "--from-file", str(tmp_path / "mounted")) == ""
        service = stack.enter_context(Service(tmp_path / "service", url, environment))
        http = stack.enter_context(httpx.Client(base_url=service.url, timeout=60))
        http.headers["Authorization"] = f"Bearer {tokens[0]}"
        work(http, "log")
        http.put("/pools/p", json={})
        for sent in (*tokens, " ".join(tokens)):
            headers = {"Authorization": f"Bearer {sent}"}
            http.post("/select", json={"run": "r", "batch_size": 1, sent: sent}, headers=headers)
            http.post("/pools/p/tasks", content=sent.encode(), headers=headers)
            http.get(f"/runs/{sent}", params={"token": sent}, headers=headers)
            for authorization in (sent, f"Bearer {sent}"):
                http.get(f"/{sent}", headers={"Authorization": authorization, "X-Request-ID": sent[:64]})
        os.kill(int((tmp_path / "valkey/valkey.pid").read_text()), signal.SIGKILL)
        for path in ("/runs/r", "/readyz"):
            assert http.get(path).status_code == 503
        assert service.stop() == 0, service.log()
    written = service.log()
    assert len(written.splitlines()) > 20
    for secret in (PASSWORD, *tokens):
        assert secret.removeprefix("bots_") not in written
    if log_format == "json":
        lines = [json.loads(line) for line in written.splitlines()]
        requests = [line for line in lines if line["event"] == "request"]
        assert all(line["request_id"] for line in requests)
        assert {"method", "route", "status", "ms", "redis_ms", "fold_ms", "draw_ms"} <= set().union(*requests)
        assert {line["status"] for line in requests} >= {200, 401, 403, 404, 422, 503}
        assert {line.get("caller") for line in requests} == {None, "root", "reader", "mounted"}


def test_a_redis_that_is_not_there_is_said_and_its_password_not_shown(tmp_path: Path) -> None:
    ended = serve(f"redis://selector:{PASSWORD}@127.0.0.1:{free_port()}/0", tmp_path)
    assert ended.returncode == 1
    assert "Redis is not available" in ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
