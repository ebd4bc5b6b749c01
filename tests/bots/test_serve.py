import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import cast

import httpx
import pytest
from pydantic import SecretStr

from selector_api.settings import Settings
from selector_api.web import serve as web
from selector_api.web import welcome
from tests.bots.conftest import Bots
from tests.service import Service
from trainer_client import SelectorClient


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the service was started with; it is not really started."""
    started: list[Settings] = []
    monkeypatch.setattr(web, "serve", started.append)
    return started


def test_options_override_the_environment(
    bots: Bots, served: list[Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("SELECTOR_PORT", "9000")
    monkeypatch.setenv("SELECTOR_HOST", "::1")
    assert bots("serve", "--port", 9001, "--data-dir", tmp_path).exit_code == 0
    assert (served[0].host, served[0].port, served[0].data_dir) == ("::1", 9001, tmp_path)
    assert served[0].redis_url is None


def test_a_redis_can_be_given(bots: Bots, served: list[Settings]):
    bots("serve", "--redis-url", "redis://127.0.0.1:6379/0")
    assert served[0].redis_url is not None
    assert served[0].redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("options", "environment", "messages"),
    [
        (("--port", "70000"), {}, ["Error: --port: ", "65535"]),
        (("--redis-url", "http://user:secret@host"), {}, ["Error: --redis-url: give redis://"]),
        ((), {"SELECTOR_PORT": "many"}, ["Error: SELECTOR_PORT: "]),
        (("--port", "-1"), {"SELECTOR_LOG_LEVEL": "loud"}, ["--port: ", "; ", "SELECTOR_LOG_LEVEL: "]),
    ],
)
def test_settings_that_cannot_be_used_are_one_message(
    bots: Bots,
    served: list[Settings],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    messages: list[str],
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = bots("serve", *options)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for message in messages:
        assert message in result.stderr
    assert "secret" not in result.stderr
    assert served == []


def serve(*options: object) -> subprocess.CompletedProcess[str]:
    """A real `bots serve`, which is expected to end by itself."""
    command = [sys.executable, "-m", "bots", "serve", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "bots token create"),
        (("--redis-url", "unix:///nowhere/valkey.sock"), "Redis is not available"),
    ],
)
def test_a_service_that_cannot_start_says_why(tmp_path: Path, options: tuple[str, ...], message: str):
    ended = serve("--port", 0, "--data-dir", tmp_path, *options)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("closed", [False, True])
def test_a_service_says_at_its_start_what_a_newcomer_needs(bots: Bots, tmp_path: Path, closed: bool):
    data, file = tmp_path / "data", tmp_path / "url"
    if closed:
        bots("token", "create", "--name", "root", "--scope", "admin", "--data-dir", data)
    command = [sys.executable, "-m", "bots", "serve", "--port", "0", "--data-dir", str(data)]
    command += ["--announce", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            url = file.read_text().strip()
            assert httpx.get(f"{url}/readyz").status_code == 200
            in_use = serve("--port", 0, "--data-dir", data).stderr
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    assert f"BOTS Selector {version('bots-selector')} serves at {url}" in said
    assert f"{url}/docs" in said
    assert f"{data} (embedded Valkey)" in said
    assert ("SELECTOR_TOKEN" in said) == closed
    assert (f"bots token create --name admin --scope admin --data-dir {data}" in said) != closed
    assert f"export SELECTOR_URL={url}" in said
    assert "bots pool import" in said
    assert all(len(line) < 100 for line in said.replace(str(tmp_path), "").splitlines())
    assert f"in use by the service at {url} with pid {process.pid}" in in_use


def test_what_a_service_says_of_its_redis_tells_no_password(capsys: pytest.CaptureFixture[str]):
    settings = Settings(redis_url=SecretStr("redis://user:secret@host:6379/0?password=secret"))
    welcome.announce(settings, "http://127.0.0.1:8000", is_open=True)
    said = capsys.readouterr().err
    assert "redis://host:6379/0" in said
    assert "secret" not in said
    assert "SELECTOR_URL" not in said


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (("0.0.0.0", 9000), "http://127.0.0.1:9000"),
        (("10.0.0.7", 80), "http://10.0.0.7:80"),
        (("::", 9000, 0, 0), "http://[::1]:9000"),
    ],
)
def test_the_address_of_a_service_is_one_that_can_be_called(address: tuple[object, ...], url: str):
    class Listener:
        def getsockname(self) -> tuple[object, ...]:
            return address

    assert welcome.address_of(cast("socket.socket", Listener())) == url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", f"http://{socket.gethostname()}:9000"),
        ("::", f"http://{socket.gethostname()}:9000"),
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("node-7", "http://10.0.0.7:9000"),
    ],
)
def test_what_is_announced_can_be_called_from_other_machines(tmp_path: Path, host: str, url: str):
    file = tmp_path / "made" / "url"
    listens = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "node-7": "10.0.0.7"}.get(host, host)
    welcome.announce(Settings(host=host, announce=file), f"http://{listens}:9000", is_open=False)
    assert file.read_text() == f"{url}\n"
    assert list(file.parent.iterdir()) == [file]


def test_sigterm_to_all_its_processes_is_a_clean_end(tmp_path: Path):
    """As Slurm ends a job."""
    with Service(tmp_path) as service, SelectorClient(service.url, max_retries=0) as client:
        os.kill(int((tmp_path / "valkey.pid").read_text()), signal.SIGTERM)
        client.create_pool("pool")  # Valkey serves on until its service has ended
        service.ask_to_end()
        assert service.stop() == 0
        assert service.log() == ""
        assert not (tmp_path / "heartbeat").exists()


def test_a_service_whose_data_folder_was_taken_over_ends(tmp_path: Path):
    with Service(tmp_path) as service:
        ended = None
        while ended is None:  # A beat may come between.
            (tmp_path / "heartbeat").write_text('{"host": "node-7", "machine": "other", "pid": 7}')
            ended = service.wait(5)
        assert ended == 1
        assert "another service has taken over the data folder" in service.log()
        assert "Traceback" not in service.log()


def test_a_port_or_a_data_folder_in_use_is_said(service: Service, tmp_path: Path):
    port = serve("--port", service.port, "--data-dir", tmp_path)
    assert port.returncode == 1
    assert "address already in use" in port.stderr
    assert f"listens on port {service.port} of 127.0.0.1. Choose another with --port" in port.stderr
    assert not list(tmp_path.iterdir())
    folder = serve("--port", 0, "--data-dir", service.data_dir)
    assert folder.returncode == 1
    assert "in use by the service" in folder.stderr
    assert "Traceback" not in port.stderr + folder.stderr
