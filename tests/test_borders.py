"""The borders between packages, as pyproject.toml draws them: each is seen to fail on a planted import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
CORE_ONLY = "core imports numpy, scipy, annotated_types and the standard library only"
INSIDES = "services use the client, never the service's insides"
SHARED = "what services share knows none of them"
COMMAND = "nothing below imports the command"

PLANTED = [
    ("web is above store, store is above core", "selector_api/store/keys.py", "selector_api.web.app"),
    ("web is above store, store is above core", "selector_api/core/tasks.py", "selector_api.store.keys"),
    (CORE_ONLY, "selector_api/core/tasks.py", "pydantic"),
    (CORE_ONLY, "selector_api/core/policies/random.py", "yaml"),
    (CORE_ONLY, "selector_api/core/tasks.py", "selector_api.settings"),
    ("the client needs httpx and pydantic alone", "trainer_client/models.py", "numpy"),
    (
        "the client imports nothing else of this repository",
        "trainer_client/integrations/trl.py",
        "selector_api.core.config",
    ),
    ("the service knows no trainer", "selector_api/web/app.py", "trainer_client"),
    ("the service knows no trainer", "selector_api/web/app.py", "services.rewards"),
    (INSIDES, "services/trainer/config.py", "selector_api.core.config"),
    (INSIDES, "services/processes/children.py", "selector_api.store.keys"),
    (INSIDES, "services/experiment/config.py", "selector_api.web.app"),
    (SHARED, "services/command_line/output.py", "services.trainer.records"),
    (SHARED, "services/trainer/config.py", "services.reference_eval.config"),
    (COMMAND, "selector_api/settings.py", "bots"),
    (COMMAND, "services/trainer/command.py", "bots.app"),
    (COMMAND, "trainer_client/errors.py", "bots"),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts are about."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("bots", "selector_api", "services", "trainer_client"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").mkdir()
    for name in ("pyproject.toml", "tests/__init__.py", "tests/contracts.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def broken(sources: Path) -> set[str]:
    """The contracts that lint-imports says are broken."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=sources,
        env=os.environ | {"PYTHONPATH": str(sources), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    lines = [line.split(" (")[0] for line in ended.stdout.splitlines()]  # without how many imports it ignores
    found = {name for name in CONTRACTS if f"{name} BROKEN" in lines}
    assert found | {name for name in CONTRACTS if f"{name} KEPT" in lines} == set(CONTRACTS), ended.stdout
    assert ended.returncode == (1 if found else 0)
    return found


def test_every_border_is_kept(sources: Path) -> None:
    assert broken(sources) == set()


def test_every_border_has_a_planted_import() -> None:
    assert {contract for contract, _, _ in PLANTED} == set(CONTRACTS)


@pytest.mark.slow
@pytest.mark.parametrize(("contract", "file", "module"), PLANTED)
def test_a_planted_import_breaks_its_border(sources: Path, contract: str, file: str, module: str) -> None:
    path = sources / file
    before = path.read_text()
    path.write_text(f"{before}\nimport {module}\n")
    try:
        assert contract in broken(sources)
    finally:
        path.write_text(before)
