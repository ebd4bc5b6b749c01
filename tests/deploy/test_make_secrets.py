"""The secrets of an installation, on a real server with the users that they make."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from typer.testing import CliRunner

from bots.app import app
from deploy.make_secrets import make_secrets
from selector_api.store.embedded_valkey import find_binary
from tests.deploy.manifests import ROOT
from tests.service import Service, free_port
from trainer_client import Forbidden, SelectorClient, Task


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_secrets_are_made_once(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "deploy/make_secrets.py"), str(tmp_path)]
    first = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = contents(tmp_path)
    assert len(made) == len(first.splitlines()) == 5
    assert not any(text in first for text in made.values())
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
    assert contents(tmp_path) == made
    assert len(set(made.values())) == 5


def test_what_is_there_is_kept_and_what_is_missing_fits_to_it(tmp_path: Path) -> None:
    (tmp_path / "redis-url").mkdir()
    (tmp_path / "redis-url/url").write_text("rediss://user:password@redis.example.com:6380/0")
    make_secrets(tmp_path)
    made = contents(tmp_path)
    assert made["redis-url/url"].endswith("redis.example.com:6380/0")
    assert "redis-users/users.acl" not in made  # that Redis has its own
    assert len(made) == 4


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    return folder


class Server:
    """A Valkey with the users of the secrets, and the settings of docker-compose.yml."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "aclfile": str(secrets / "redis-users/users.acl"),
        }
        arguments = [text for name, value in settings.items() for text in (f"--{name}", value)]
        self._command = [str(find_binary()), *arguments]
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        with Redis(port=self.port, username="probe", password="none") as probe:
            while True:
                try:
                    probe.ping()
                    return
                except RedisError:
                    assert self._process.poll() is None, self._log.read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path, secrets: Path) -> Iterator[Server]:
    server = Server(tmp_path, secrets)
    server.start()
    yield server
    server.kill()


def refuses(client: Redis, *command: str) -> bool:
    try:
        client.execute_command(*command)
    except (NoPermissionError, AuthenticationError):
        return True
    return False


LOOKS = (("GET", "bots:tokens"), ("HGETALL", "bots:tokens"), ("INFO",), ("ACL", "LIST"), ("SHUTDOWN",))


def test_without_a_password_one_may_only_ask_whether_redis_lives(server: Server) -> None:
    with Redis.from_url(f"redis://{server.address}") as stranger:
        assert all(refuses(stranger, *command) for command in (("PING",), *LOOKS))
    with Redis.from_url(f"redis://probe:none@{server.address}") as probe:
        assert probe.ping()
        assert all(refuses(probe, *command) for command in LOOKS)


def test_redis_replays_its_log_as_a_user_that_may_do_all(secrets: Path) -> None:
    """Redis 7.0 loses the transactions that the default user may not do; test_compose.py crashes one."""
    assert (secrets / "redis-users/users.acl").read_text().startswith("user default off ~* &* +@all\n")


def test_the_selector_does_all_its_work_as_its_user_and_can_do_nothing_else(
    server: Server, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (secrets / "redis-url/url").read_text().replace("redis:6379", server.address)
    others = (("FLUSHALL",), ("SET", "other", "1"), ("CONFIG", "SET", "appendonly", "no"), ("KEYS", "*"))
    with Redis.from_url(url) as selector:
        assert all(refuses(selector, *command) for command in others)
    url_file = tmp_path / "url"
    url_file.write_text(url)
    monkeypatch.setenv("SELECTOR_REDIS_URL_FILE", str(url_file))
    for scope in ("admin", "train", "read"):
        options = ["--name", scope, "--scope", scope, "--from-file", str(secrets / f"token-{scope}/token")]
        made = CliRunner().invoke(app, ["token", "create", *options])
        assert made.exit_code == 0, made.output
    environment = {"SELECTOR_REDIS_URL_FILE": str(url_file), "SELECTOR_SNAPSHOT_EVERY": "1"}
    service = Service(tmp_path / "data", environment=environment).start()
    try:
        work_with(service.url, secrets, server)
        assert "may evict" not in service.log()
        assert "does not log its writes" not in service.log()
    finally:
        assert service.stop() == 0


def work_with(url: str, secrets: Path, server: Server) -> None:
    """Call everything that the service does in Redis, with the token that it takes, and crash Redis in between."""

    def client(scope: str) -> SelectorClient:
        return SelectorClient(url, run="run", token=(secrets / f"token-{scope}/token").read_text())

    with client("admin") as admin, client("train") as trainer, client("read") as reader:
        admin.create_pool("pool")
        admin.add_tasks("pool", [Task(id=f"task-{number}") for number in range(10)])
        admin.create_run("run", "pool")
        for step in range(3):
            selection = trainer.select(4, key=f"step-{step}")
            trainer.report(selection, {task: [1.0, 0.0] for task in selection.tasks})
        with pytest.raises(Forbidden):
            reader.select(4)
        before = list(reader.posteriors())
        server.kill()
        server.start()
        assert reader.run_status().step == 3
        assert list(reader.posteriors()) == before
        admin.delete_run("run")
        admin.delete_pool("pool")
