"""The Dockerfiles: hadolint, and what it does not know."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from .checks import is_pinned
from .manifests import ROOT, Refused, run_tool

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
    text = (ROOT / DOCKERFILES[0]).read_text()
    assert before in text
    broken = tmp_path / "Dockerfile"
    broken.write_text(text.replace(before, after))
    with pytest.raises(Refused, match=rule):
        run_tool("hadolint", broken)


def test_a_base_that_is_not_pinned_is_noticed() -> None:
    assert [is_pinned(name) for name in ("python", "python:3", "python:latest", "python:3.11-slim")] == [
        False,
        False,
        False,
        True,
    ]


def test_the_build_gets_what_it_copies_and_nothing_that_it_does_not() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for name in DOCKERFILES:
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / name).read_text(), re.MULTILINE):
            copied.update(source if source in kept else source.split("/")[0] for source in line.split())
    assert kept == copied
    assert all((ROOT / name).exists() for name in kept)


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
