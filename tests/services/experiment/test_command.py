import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bots.app import app
from tests.services.experiment.conftest import FakeExperiment
from tests.services.experiment.records import step_record, write_training


def bots(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("command", ["run", "report"])
def test_help_has_an_example(command: str):
    result = bots("experiment", command, "--help")
    assert result.exit_code == 0
    assert f"bots experiment {command} experiment.yaml" in result.stdout


def test_help_loads_nothing_that_experiments_need():
    code = (
        "import sys; from bots import main\n"
        "sys.argv = ['bots', 'experiment', 'run', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'services.experiment', 'matplotlib', 'numpy', 'torch', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_running_needs_neither_torch_nor_matplotlib():
    code = (
        "import sys, services.experiment.runner\n"
        "heavy = {'matplotlib', 'torch', 'transformers', 'trl'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_trainer_extra_the_command_says_what_to_install(tmp_path: Path):
    (tmp_path / "experiment.yaml").touch()
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        f"sys.argv = ['bots', 'experiment', 'run', {str(tmp_path / 'experiment.yaml')!r}]\n"
        "from bots import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: ")
    assert "pip install 'bots-selector[trainer]'" in ended.stderr


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path):
    for command in ("run", "report"):
        result = bots("experiment", command, tmp_path / "nothing.yaml")
        assert result.exit_code == 2
        assert "nothing.yaml: No such file" in result.stderr


def test_report_says_where_it_is(fake: FakeExperiment, tmp_path: Path):
    steps = [step_record(1, [1, 2])]
    write_training(fake.trainings()["random-0"].folder, steps, [0.2, 0.3])
    result = bots("experiment", "report", fake.file, "--output", tmp_path / "results")
    assert result.exit_code == 0
    told = [
        f"report: {tmp_path / 'results' / 'report.md'}",
        f"picture: {tmp_path / 'results' / 'accuracy.png'}",
    ]
    assert result.stdout.splitlines()[-2:] == told
    assert all(Path(line.split(": ")[1]).exists() for line in told)
    assert "Result: 1 seed (0)" in result.stdout
