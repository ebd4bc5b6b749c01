"""The wheel in environments of its own: with the client's libraries alone, and beside folders named like ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from services.command_line.configuration import save_mapping
from tests.services.reference_eval.settings import mapping, save_tasks
from tests.services.tiny import save_tiny_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("bots", "selector_api", "services", "trainer_client")
BUILDS_IMAGES = {"selector_api/Dockerfile", "services/trainer/Dockerfile", "services/trainer/constraints.txt"}
REWARD = """
from lengths import length_of

def score(completion, answer):
    return float(length_of(completion) > 0)
"""


class Environment:
    """A virtual environment that has the wheel, and `run`s what is installed in it."""

    def __init__(self, folder: Path, wheel: Path):
        venv.create(folder, with_pip=False)
        self.bin = folder / "bin"
        [self.packages] = folder.glob("lib/python*/site-packages")
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(folder)]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SELECTOR_"))
        }
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=cwd,
            env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources, so that the build leaves nothing in the working tree."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--wheel-dir", str(built), str(source)], check=True)
    [wheel] = built.iterdir()
    return wheel


@pytest.fixture(scope="module")
def client_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """As after `pip install bots-selector`: the libraries that the wheel asks for without any extra, linked."""
    environment = Environment(tmp_path_factory.mktemp("client") / "venv", wheel)
    for library in required("httpx", "pydantic"):
        for top in {file.parts[0] for file in library.files or ()} - {"..", "__pycache__"}:
            (environment.packages / top).symlink_to(str(library.locate_file(top)))
    return environment


@pytest.fixture(scope="module")
def everything(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with all that is installed here; what is installed in editable form, this working tree, is not."""
    environment = Environment(tmp_path_factory.mktemp("everything") / "venv", wheel)
    (environment.packages / "here.pth").write_text(str(Path(pytest.__file__).parents[1]))
    return environment


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A user's folder, with packages and a module that are named like ours and like a library of ours."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('theirs was taken for ours')")
    (tmp_path / "yaml.py").write_text("raise SystemExit('theirs was taken for a library')")
    return tmp_path


def required(*names: str) -> Iterator[Distribution]:
    """These distributions and all that they need here, without their extras."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another Python or system
            continue
        yield found
        waiting += [re.split(r"[^\w.-]", need)[0] for need in found.requires or () if "extra ==" not in need]


def test_it_holds_all_files_of_the_packages(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files - BUILDS_IMAGES


def test_with_the_client_alone_no_package_fails_to_import(client_alone: Environment, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print(trainer_client.Task(id='a').id)"
    done = client_alone.run("python", "-W", "error", "-c", code, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("a\n", "")


@pytest.mark.parametrize(
    "command",
    [
        ("bots", "--help"),
        ("bots", "serve"),
        ("bots", "train", "training.yaml"),
        ("python", "-m", "bots"),
        ("python", "-m", "services.trainer", "training.yaml"),
        ("python", "-m", "services.reference_eval", "weak.yaml"),
    ],
    ids=" ".join,
)
def test_with_the_client_alone_a_command_says_what_to_install(
    client_alone: Environment, tmp_path: Path, command: tuple[str, ...]
) -> None:
    ended = client_alone.run(*command, cwd=tmp_path)
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("Error: typer is not installed; it comes with pip install 'bots-selector[")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("train", "--help"), "Train a model by GRPO"),
        (("measure", "--help"), "Measure a model's pass rate"),
        (("train", "missing.yaml"), "missing.yaml: No such file"),
        (("measure", "missing.yaml"), "missing.yaml: No such file"),
        (("experiment", "run", "missing.yaml"), "missing.yaml: No such file"),
        (("serve", "--port", "70000"), "Error: --port: "),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_a_users_folder_is_not_taken_for_ours(
    everything: Environment, theirs: Path, command: tuple[str, ...], words: str
) -> None:
    ended = everything.run("bots", *command, cwd=theirs)
    assert words in ended.stdout + ended.stderr
    assert ended.returncode == (0 if "--help" in command else 2)


def test_a_users_folder_is_not_taken_for_ours_by_what_we_start(everything: Environment, theirs: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from services.processes.local_selector import running_service\n"
        "from services.rewards import make_scorer\n"
        "from services.rewards.boxed_math import BoxedMath\n"
        "print(make_scorer(BoxedMath(type='boxed-math')).score(r'\\boxed{4}', '2+2'))\n"
        "with running_service(Path('data')): print('served')"
    )
    done = everything.run("python", "-P", "-c", code, cwd=theirs)
    assert (done.stdout, done.stderr) == ("1.0\nserved\n", "")


@pytest.mark.timeout(300)
def test_a_users_reward_function_is_found_beside_such_a_folder(everything: Environment, theirs: Path) -> None:
    save_tasks(theirs / "tasks.jsonl", size=2)
    (theirs / "my_reward.py").write_text(REWARD)
    (theirs / "lengths.py").write_text("length_of = len")
    reward = {"function": "my_reward:score"}
    save_mapping(theirs / "weak.yaml", mapping(theirs, save_tiny_model(theirs / "model"), reward=reward))
    done = everything.run("bots", "measure", "weak.yaml", cwd=theirs)
    assert done.returncode == 0, done.stderr
    assert "the reward failed on 0 completions" in done.stdout
    assert "result.parquet: 2 tasks, mean pass rate" in done.stdout
