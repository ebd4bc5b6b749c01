import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from services.command_line.failures import INTERRUPTED, Failure
from services.experiment.runner import run_experiment
from services.processes.one_at_a_time import only_one
from tests.services.experiment.conftest import ROOT, FakeExperiment

COMMAND = [sys.executable, "-m", "bots", "experiment", "run"]


def steps(fake: FakeExperiment, name: str) -> list[int]:
    return [step.step for step in fake.trainings()[name].records().steps]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeExperiment, str]:
    """An experiment that was run twice, in its folder, and what was printed."""
    fake = FakeExperiment(tmp_path_factory.mktemp("trained"))
    said = [
        subprocess.run(
            [*COMMAND, str(fake.file)],
            cwd=fake.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    return fake, "".join(said)


def test_every_training_is_trained_once_all_policies_of_a_seed_before_the_next(
    trained: tuple[FakeExperiment, str],
):
    fake, said = trained
    assert [line.split(" ")[0] for line in fake.begun()] == ["bots-0", "random-0", "bots-1", "random-1"]
    assert all(training.records().finished for training in fake.trainings().values())
    assert "4 of 4 trainings are done." in said


def test_a_training_is_the_trainers_configuration_with_the_policys_changes_and_its_own_names(
    trained: tuple[FakeExperiment, str],
):
    fake, _ = trained
    written = yaml.safe_load((fake.output / "trainings" / "random" / "seed-1.yaml").read_text())
    assert written["seed"] == 1
    assert written["output"] == str(fake.output / "trainings" / "random" / "seed-1")
    assert written["selector"] == {
        "url": "http://127.0.0.1:9",
        "run": "fake-random-1",
        "create": {"pool": "tasks", "policy": {"type": "random"}},
    }
    assert written["training"] == fake.trainer["training"]


def test_without_a_terminal_there_is_a_line_an_evaluation(trained: tuple[FakeExperiment, str]):
    _, said = trained
    lines = [line for line in said.splitlines() if line.startswith("bots, seed 1: ")]
    assert [line.split(", ETR")[0] for line in lines] == [
        "bots, seed 1: step 0 of 4, held-out accuracy 0.210",
        "bots, seed 1: step 2 of 4, held-out accuracy 0.310",
        "bots, seed 1: step 4 of 4, held-out accuracy 0.410",
    ]


def test_more_seeds_can_be_added_later(fake: FakeExperiment):
    fake.changes["seeds"] = [3]
    run_experiment(fake.file)
    fake.changes["seeds"] = [3, 4]
    run_experiment(fake.file)
    assert [line.split(" ")[0] for line in fake.begun()] == ["bots-3", "random-3", "bots-4", "random-4"]


def test_a_training_that_fails_is_told_of_and_the_others_go_on(
    fake: FakeExperiment, capsys: pytest.CaptureFixture[str]
):
    fake.changes["seeds"] = [0]
    told_to_fail = fake.fail("bots-0")
    with pytest.raises(Failure, match=r"1 of 2 trainings failed: bots, seed 0\.") as failure:
        run_experiment(fake.file)
    assert failure.value.exit_code == 1
    said = capsys.readouterr().out
    assert "bots, seed 0: failed with exit status 1; the end of" in said
    assert "bots-0 was told to fail" in said
    assert len(fake.begun()) == 2

    told_to_fail.unlink()
    run_experiment(fake.file)
    assert fake.begun()[2:] == ["bots-0 services.trainer from 2 at http://127.0.0.1:9"]
    assert steps(fake, "bots-0") == [1, 2, 3, 4]


def test_several_can_train_at_once(fake: FakeExperiment):
    fake.changes["jobs"] = 2
    hanging = [fake.hang("bots-0"), fake.hang("random-0")]
    process = subprocess.Popen([*COMMAND, str(fake.file)], stdout=subprocess.DEVNULL)
    for fifo in hanging:
        assert fifo.read_text() == "hangs"  # both are there before either is done
    process.send_signal(signal.SIGTERM)
    assert process.wait() == INTERRUPTED


@pytest.mark.parametrize(("given", "threads"), [(None, "4"), ("3", "3")])
def test_trainings_share_the_processors_unless_told_otherwise(
    fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch, given: str | None, threads: str
):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    fake.changes |= {"jobs": 2, "seeds": [0]}
    run_experiment(fake.file)
    assert (fake.control / "threads").read_text() == threads


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_experiment_ends_its_trainings_and_goes_on_later(
    fake: FakeExperiment, number: signal.Signals
):
    fake.changes["seeds"] = [0]
    fifo = fake.hang("random-0")
    process = subprocess.Popen(
        [*COMMAND, str(fake.file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    fifo.read_text()
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == INTERRUPTED
    assert f"bots experiment run {fake.file}" in said
    with only_one(fake.output):  # its trainings would hold the lock
        pass

    fifo.unlink()
    run_experiment(fake.file)
    assert [line.split(" at ")[0] for line in fake.begun()] == [
        "bots-0 services.trainer from 0",
        "random-0 services.trainer from 0",
        "random-0 services.trainer from 2",
    ]
    assert steps(fake, "random-0") == [1, 2, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_a_killed_experiment_goes_on_when_its_trainings_have_ended(fake: FakeExperiment):
    fake.changes["seeds"] = [0]
    fifo = fake.hang("bots-0")
    process = subprocess.Popen([*COMMAND, str(fake.file)], stdout=subprocess.DEVNULL)
    fifo.read_text()
    process.kill()
    process.wait()
    fifo.unlink()
    run_experiment(fake.file)
    assert all(training.records().finished for training in fake.trainings().values())
    assert steps(fake, "bots-0") == [1, 2, 3, 4]


def test_an_experiment_that_runs_already_is_left_alone(fake: FakeExperiment):
    with only_one(fake.output), pytest.raises(Failure, match=f"in use by process {os.getpid()}"):
        run_experiment(fake.file)
    assert fake.begun() == []


def test_without_a_url_the_experiment_serves_a_selector(fake: FakeExperiment):
    del fake.trainer["selector"]
    fake.trainer["selector"] = {"create": {"pool": "tasks", "policy": {"type": "thompson"}}}
    fake.changes["seeds"] = [0]
    run_experiment(fake.file)
    urls = {line.split(" at ")[1] for line in fake.begun()}
    assert len(urls) == 1
    assert urls.pop().startswith("http://127.0.0.1:")
    assert (fake.output / "selector" / "service.log").exists()
    run_experiment(fake.file)  # at another URL, which does not make it another experiment
    assert len(fake.begun()) == 2


def test_a_training_that_was_begun_otherwise_is_not_gone_on_with(fake: FakeExperiment):
    fake.fail("bots-0")
    fake.changes["seeds"] = [0]
    with pytest.raises(Failure, match="failed"):
        run_experiment(fake.file)
    fake.trainer["training"] = {**fake.trainer["training"], "steps": 6}
    with pytest.raises(Failure, match="was begun with other settings in training: compare "):
        run_experiment(fake.file)
    assert len(fake.begun()) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "uniform"}, "baseline 'uniform' is not one of the policies bots, random"),
        ({"pictured": ["uniform"]}, "of the pictured 'uniform' is not one of the policies"),
        (
            {"questions": [{"policy": "bots", "relation": "not below", "other": "uniform", "then": "-"}]},
            "of the questions 'uniform' is not one of the policies",
        ),
        ({"seeds": [1, 1]}, "seeds: got.*each seed may stand here once"),
        ({"seeds": []}, "seeds: got"),
        ({"policies": {"a/b": {}, "random": {}}}, "policies.a/b"),
        (
            {"policies": {"random": {"training": {"stepz": 3}}}},
            "with policy random: training.stepz: there is no such field; near it: 'steps'",
        ),
        ({"trainer": "elsewhere.yaml"}, "elsewhere.yaml: No such file"),
    ],
)
def test_a_wrong_experiment_is_refused_before_anything_is_trained(
    fake: FakeExperiment, changes: dict[str, object], message: str
):
    fake.changes.update(changes)
    with pytest.raises(Failure, match=message) as failure:
        run_experiment(fake.file)
    assert failure.value.exit_code == 2
    assert fake.begun() == []
    assert not Path(fake.output).exists()


def test_a_trainer_without_evaluation_is_refused(fake: FakeExperiment):
    del fake.trainer["evaluation"]
    with pytest.raises(Failure, match="with policy bots, evaluation: nothing given"):
        run_experiment(fake.file)
