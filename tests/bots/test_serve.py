import subprocess
import sys
from pathlib import Path

import pytest

from selector_api.settings import Settings
from selector_api.web import serve as web
from tests.bots.conftest import Bots
from tests.service import Service


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
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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
