from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from selector_api.settings import Settings
from selector_api.web.hosts import Hosts
from selector_api.web.problems import Problem
from tests.service import Service
from tests.web.calls import assert_problem


@pytest.mark.parametrize(
    ("names", "host", "allowed"),
    [
        (["localhost"], "localhost", True),
        (["localhost"], "LOCALHOST:8000", True),
        (["localhost"], "localhost.", True),
        (["localhost"], "localhost.example.org", False),
        (["localhost"], "selector.example.org", False),
        (["localhost"], "", False),
        (["localhost"], "127.0.0.1:8000", True),
        (["localhost"], "[::1]:8000", True),
        (["localhost"], "10.1.2.3", True),
        (["localhost"], "127.0.0.1.example.org", False),
        (["*.example.org"], "selector.example.org:443", True),
        (["*.example.org"], "a.b.example.org", True),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "badexample.org", False),
        (["A.example.org", "b"], "a.example.org", True),
        (["*"], "anything", True),
    ],
)
def test_which_names_are_allowed(names: list[str], host: str, allowed: bool) -> None:
    hosts = Hosts(names)
    if allowed:
        hosts.check(host)
    else:
        with pytest.raises(Problem, match="SELECTOR_ALLOWED_HOSTS"):
            hosts.check(host)


def test_without_a_setting_loopback_is_for_this_machine_and_the_rest_for_any_name() -> None:
    assert Settings().hosts == ("localhost",)
    assert Settings(host="0.0.0.0").hosts == ("*",)
    assert Settings(host="0.0.0.0", allowed_hosts=("a.b",)).hosts == ("a.b",)


def test_a_name_that_was_pointed_at_this_machine_is_refused(service_url: str) -> None:
    headers = {"Host": "evil.example:8000"}
    for method, path in (("GET", "/runs/r"), ("POST", "/select"), ("GET", "/metrics"), ("GET", "/docs")):
        answer = httpx.request(method, f"{service_url}{path}", headers=headers)
        assert_problem(answer, 421, "misdirected-request")
        assert "evil" not in answer.text
    for probe in ("/healthz", "/readyz"):
        assert httpx.get(f"{service_url}{probe}", headers=headers).status_code == 200


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, environment={"SELECTOR_ALLOWED_HOSTS": "selector.example.org"}).start()
    yield service
    assert service.stop() == 0, service.log()


def test_the_names_can_be_set(named: Service) -> None:
    for host, status in (("selector.example.org", 404), ("localhost", 421)):
        answer = httpx.get(f"{named.url}/runs/r", headers={"Host": host})
        assert answer.status_code == status
