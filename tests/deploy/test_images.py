"""The Dockerfiles: hadolint, and what it does not know."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.checks import is_open_route, is_pinned, wrong_variables
from tests.deploy.manifests import ROOT, Refused, run_tool, with_mistake

DOCKERFILES = ("selector_api/Dockerfile", "services/trainer/Dockerfile")


def bases(text: str) -> list[str]:
    """The images that a Dockerfile starts from."""
    return re.findall(r"^FROM (\S+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str) -> None:
    run_tool("hadolint", ROOT / name)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_run_without_root_from_pinned_bases(name: str) -> None:
    text = (ROOT / name).read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    assert all(is_pinned(base) for base in bases(text) if base not in stages)
    assert re.findall(r"^USER (.*)", text, re.MULTILINE)[-1] == "10001:10001"
    assert "org.opencontainers.image.licenses" in text


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("python:3.11-slim-bookworm\n", "python:latest\n", "DL3007"),
        ('ENTRYPOINT ["bots"]', "ENTRYPOINT bots", "DL3025"),
        ("WORKDIR /data", "WORKDIR data", "DL3000"),
        ("EXPOSE 8000", "EXPOSE 80000", "DL3011"),
    ],
)
def test_a_planted_mistake_is_found(tmp_path: Path, before: str, after: str, rule: str) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text(with_mistake(ROOT / DOCKERFILES[0], before, after))
    with pytest.raises(Refused, match=rule):
        run_tool("hadolint", broken)


def test_a_base_that_is_not_pinned_is_noticed() -> None:
    assert [is_pinned(name) for name in ("python", "python:3", "python:latest", "python:3.11-slim")] == [
        False,
        False,
        False,
        True,
    ]


def disagreements(text: str) -> Iterator[str]:
    """Where the Dockerfile of the selector says what the service does not know."""
    text = text.replace("\\\n", " ")
    given = dict(
        word.split("=", 1)
        for line in re.findall(r"^ENV (.*)", text, re.MULTILINE)
        for word in shlex.split(line)
    )
    yield from wrong_variables(given, [])
    for check in re.findall(r"^HEALTHCHECK (.*)", text, re.MULTILINE):
        for name in re.findall(r"environ\['(\w+)'\]", check):
            if name not in given:
                yield f"HEALTHCHECK reads {name}, which is not set"
        for path in re.findall(r"http://[^/]*(/\w*)", check):
            if not is_open_route(path):
                yield f"HEALTHCHECK asks {path}, which is no open route"


def test_the_selectors_image_agrees_with_the_service() -> None:
    text = (ROOT / DOCKERFILES[0]).read_text()
    assert "HEALTHCHECK" in text
    assert list(disagreements(text)) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("SELECTOR_DATA_DIR=", "SELECTOR_DATA=", "SELECTOR_DATA is no setting"),
        ("SELECTOR_LOG_FORMAT=json", "SELECTOR_LOG_FORMAT=jsonl", "log_format"),
        ("SELECTOR_PORT=8000", "SELECTOR_PORT=http", "valid integer"),
        ("    SELECTOR_PORT=8000 \\\n", "", "HEALTHCHECK reads SELECTOR_PORT"),
        ("/healthz", "/health", "/health, which is no open route"),
        ("/healthz", "/metrics", "/metrics, which is no open route"),
    ],
)
def test_what_the_service_does_not_know_is_found(before: str, after: str, words: str) -> None:
    assert words in "\n".join(disagreements(with_mistake(ROOT / DOCKERFILES[0], before, after)))


def test_the_build_gets_what_it_copies_and_nothing_that_it_does_not() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for name in DOCKERFILES:
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / name).read_text(), re.MULTILINE):
            copied.update(source if source in kept else source.split("/")[0] for source in line.split())
    assert kept == copied
    assert all((ROOT / name).exists() for name in kept)


def test_images_have_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    files = [ROOT / name for name in (*DOCKERFILES, "docker-compose.yml", "docs/how-to/deployment.md")]
    files += (ROOT / "k8s").rglob("*.yaml")
    named = r"(?:bots-(?:selector|trainer|demo):|ARG VERSION=|newName: \S*bots-selector, newTag: )(\d[\w.]*)"
    found = {found for file in files for found in re.findall(named, file.read_text())}
    assert found == {version}


def test_the_trainers_versions_are_those_that_the_project_asks_for() -> None:
    lines = (ROOT / "services/trainer/constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"[\w.-]+", version) for version in pinned.values())
    vllm = tuple(int(part) for part in pinned["vllm"].split(".")[:2])
    assert (0, 22) <= vllm <= (0, 31)
    assert pinned["trl"].startswith("1.16.")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {name.lower().replace("_", "-") for name in pinned}
    wanted = {re.split(r"[<>=;\[]", each)[0].lower() for each in extras["trainer"] + extras["vllm"]}
    assert wanted <= known
