"""What a trainer installs is light: the base package needs nothing of the service."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ["pyproject.toml", "README.md", "LICENSE", "bots", "selector_api", "services", "trainer_client"]

IMPORT_ALL = """
import importlib, importlib.resources, importlib.util, pkgutil
import trainer_client

for module in pkgutil.walk_packages(trainer_client.__path__, "trainer_client."):
    if not module.name.startswith("trainer_client.integrations"):
        importlib.import_module(module.name)
for package in ("numpy", "scipy", "fastapi", "redis", "torch"):
    assert importlib.util.find_spec(package) is None, package
assert importlib.resources.files("trainer_client").joinpath("py.typed").is_file()
print(trainer_client.__file__)
"""


@pytest.mark.timeout(300)
def test_the_client_installs_and_imports_without_the_service(tmp_path: Path):
    # A copy, so that the build leaves nothing in the working tree.
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    installed = subprocess.run([*pip, str(source)], capture_output=True, text=True, timeout=240)
    assert installed.returncode == 0, installed.stderr
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", IMPORT_ALL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "venv") in done.stdout
    assert sys.prefix not in done.stdout
