"""docker-compose.yml, without a Docker that runs; test_compose.py starts it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from services.command_line.configuration import load_mapping
from tests.deploy.checks import is_pinned, wrong_variables
from tests.deploy.manifests import ROOT, Refused, run_tool, with_mistake

BUILT_HERE = ("bots-selector", "bots-trainer", "bots-demo")


def configuration(
    file: Path = ROOT / "docker-compose.yml", *overlays: Path, **variables: str
) -> dict[str, Any]:
    """What Compose understands of a file and what is laid over it. Raises `Refused`."""
    environment = {"PATH": os.environ["PATH"], **variables}
    text = run_tool(
        "docker-compose",
        *(argument for each in (file, *overlays) for argument in ("--file", each)),
        "--profile",
        "*",
        "config",
        "--format",
        "json",
        environment=environment,
    )
    return json.loads(text)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return configuration()["services"]


def test_only_loopback_can_reach_it_when_nothing_is_set(services: dict[str, dict[str, Any]]) -> None:
    published = {
        (name, port["host_ip"], port["published"])
        for name, one in services.items()
        for port in one.get("ports", [])
    }
    assert published == {
        ("selector", "127.0.0.1", "8000"),
        ("prometheus", "127.0.0.1", "9090"),
        ("grafana", "127.0.0.1", "3000"),
    }


def test_without_profiles_the_selector_and_what_it_needs_start(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, one in services.items() if not one.get("profiles")} == {
        "selector",
        "redis",
        "secrets",
        "tokens",
    }


def test_the_address_can_be_chosen() -> None:
    chosen = configuration(BOTS_ADDRESS="10.0.0.1", BOTS_PORT="9000")["services"]["selector"]["ports"][0]
    assert (chosen["host_ip"], chosen["published"]) == ("10.0.0.1", "9000")


def test_redis_keeps_what_it_acknowledged_and_only_the_selector_reaches_it(
    services: dict[str, dict[str, Any]],
) -> None:
    redis = services["redis"]
    command = redis["command"]
    settings = dict(zip(command[1::2], command[2::2], strict=True))
    assert (settings["--appendonly"], settings["--appendfsync"]) == ("yes", "always")
    assert settings["--maxmemory-policy"] == "noeviction"
    assert "--maxmemory" in settings  # else there is nothing that the policy could apply to
    assert "ports" not in redis
    assert {name for name, one in services.items() if "store" in (one.get("networks") or {})} == {
        "redis",
        "selector",
        "tokens",
    }
    assert configuration()["networks"]["store"]["internal"]


def test_a_redis_elsewhere_stands_for_the_one_that_comes_with_it(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    overlay = ROOT / "compose.redis-elsewhere.yml"
    whole = configuration(ROOT / "docker-compose.yml", overlay, BOTS_REDIS_URL_FOLDER=str(tmp_path))
    laid = whole["services"]
    assert laid.keys() == services.keys() - {"redis"}
    assert "store" not in whole["networks"]
    for name in ("selector", "tokens"):
        before, after = services[name], laid[name]
        assert "redis" not in after["depends_on"]
        assert not any(whole["networks"][network].get("internal") for network in after["networks"])
        mounts = {volume["target"]: volume for volume in after["volumes"]}
        assert mounts.keys() == {volume["target"] for volume in before["volumes"]}
        url = mounts["/run/secrets/redis-url"]
        assert (url["type"], url["source"], url["read_only"]) == ("bind", str(tmp_path), True)
        other = {"depends_on", "networks", "volumes"}
        assert {field: after[field] for field in after.keys() - other} == {
            field: before[field] for field in before.keys() - other
        }
    assert {name: laid[name] for name in laid.keys() - {"selector", "tokens"}} == {
        name: services[name] for name in laid.keys() - {"selector", "tokens"}
    }


def test_services_have_no_rights(services: dict[str, dict[str, Any]]) -> None:
    for name, one in services.items():
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert is_pinned(one["image"]), name


def test_each_image_of_ours_is_built_once(services: dict[str, dict[str, Any]]) -> None:
    """Two builds of one name at the same time can fail where the name is taken in between."""
    built = [one["image"].partition(":")[0] for one in services.values() if "build" in one]
    assert sorted(built) == sorted(BUILT_HERE)
    assert {name for name, one in services.items() if one["image"].startswith(BUILT_HERE)} == {
        "selector", "secrets", "tokens", "demo-run", "demo", "trainer-run", "trainer",
    }  # fmt: skip


def test_what_may_execute_what_a_model_writes_has_no_admin_s_token(
    services: dict[str, dict[str, Any]],
) -> None:
    readers = {
        name
        for name, one in services.items()
        if any(volume["source"] == "token-admin" for volume in one.get("volumes", []))
    }
    assert readers == {"selector", "secrets", "tokens", "demo-run", "trainer-run"}
    for name in ("demo", "trainer"):
        assert services[name]["depends_on"] == {
            f"{name}-run": {"condition": "service_completed_successfully", "required": True}
        }


def test_secrets_are_mounted_where_they_are_looked_for_and_nowhere_in_the_environment(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, one in services.items():
        mounts = [volume["target"] for volume in one.get("volumes", [])]
        environment = one.get("environment") or {}
        assert list(wrong_variables(environment, mounts)) == [], name
        assert not [each for each in environment if "PASSWORD" in each or each == "SELECTOR_TOKEN"], name


def test_what_is_mounted_from_the_repository_is_there(services: dict[str, dict[str, Any]]) -> None:
    for one in services.values():
        for volume in one.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), volume["source"]
                assert volume["read_only"], volume["source"]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("demo.yaml", "services/demo/trainer.yaml"),
        ("training.yaml", "services/trainer/configs/qwen2.5-1.5b-instruct/math/bots.yaml"),
    ],
)
def test_the_trainings_are_trainings(tmp_path: Path, name: str, base: str) -> None:
    from services.command_line.configuration import load
    from services.trainer.config import TrainerConfig

    text = (ROOT / "deploy/compose" / name).read_text()
    line = next(line for line in text.splitlines() if line.startswith("extends: "))
    assert in_image(line.removeprefix("extends: ")) == ROOT / base
    here = tmp_path / name
    here.write_text(text.replace(line, f"extends: {ROOT / base}"))
    assert load(here, TrainerConfig).selector.url == "http://selector:8000"
    assert load_mapping(here)["selector"]["run"]


def in_image(path: str) -> Path:
    """The file that the trainer's image has at a path."""
    if path == "/configs/demo.yaml":
        return ROOT / "services/demo/trainer.yaml"
    return ROOT / "services/trainer/configs" / Path(path).relative_to("/configs")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("    restart: unless-stopped", "    restarts: always", "restarts"),
        ("condition: service_healthy", "condition: service_fine", "condition value must be one of"),
        ("networks: [store]", "networks: [shop]", "shop"),
        ("- redis-data:/data", "- redis-date:/data", "redis-date"),
    ],
)
def test_a_planted_mistake_is_found(tmp_path: Path, before: str, after: str, words: str) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(with_mistake(ROOT / "docker-compose.yml", before, after))
    with pytest.raises(Refused, match=words):
        configuration(broken)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SELECTOR_REDIS": "x"}, "no setting"),
        ({"SELECTOR_LOG_FORMAT": "xml"}, "log_format"),
        ({"SELECTOR_REDIS_URL_FILE": "/elsewhere/url"}, "in no mounted folder"),
    ],
)
def test_a_wrong_variable_is_found(variables: dict[str, str], words: str) -> None:
    assert words in "\n".join(wrong_variables(variables, ["/run/secrets/redis-url"]))
