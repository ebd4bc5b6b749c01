import json
from pathlib import Path

import pytest
import torch
from pyarrow.parquet import read_table
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.command_line.failures import Failure
from services.demo.model import make_tokenizer
from services.demo.prepare import FOLDERS, SETTINGS, prepare
from services.demo.tasks import answer_of, draw_tasks, reward
from services.experiment.trainings import load_experiment
from services.processes.local_selector import running_service
from tests.services.demo.conftest import TINY
from trainer_client import SelectorClient, Task

DEMO = Path(__file__).parents[3] / "services" / "demo"


def test_the_pool_has_its_references_measured(materials: Path):
    rows = read_table(materials / "pool.parquet").to_pylist()
    assert {row["domain"] for row in rows} == {"words", "numbers"}
    for row in rows:
        assert {row["weak_pass_rate"], row["strong_pass_rate"]} <= {0.0, 0.5, 1.0}
        assert reward("", row["answer"]) == 0.0


def test_held_out_tasks_are_others(materials: Path):
    pool = {row["id"] for row in read_table(materials / "pool.parquet").to_pylist()}
    held_out = {json.loads(line)["id"] for line in (materials / "held-out.jsonl").read_text().splitlines()}
    assert held_out
    assert not held_out & pool


def test_the_models_load_with_their_tokenizer(materials: Path):
    prompt = draw_tasks(1, 0)[0].prompt
    for name in ("weak", "start", "strong"):
        tokenizer = AutoTokenizer.from_pretrained(materials / name)
        assert tokenizer(prompt)["input_ids"] == make_tokenizer()(prompt)["input_ids"]
        model = AutoModelForCausalLM.from_pretrained(materials / name)
        assert model.num_parameters() == 91_008
        assert torch.isfinite(model(**tokenizer(prompt, return_tensors="pt")).logits).all()


def test_what_is_there_is_not_overwritten(materials: Path):
    with pytest.raises(Failure, match="is there already"):
        prepare(materials, TINY, Console(quiet=True))


def test_the_reward_is_that_of_the_task():
    for task in draw_tasks(2, 0):
        assert reward(task.target, answer_of(task)) == 1.0
        assert reward(task.target + " 7", answer_of(task)) == 0.0


def test_the_experiment_begins_with_what_the_demo_trains():
    demo, trained = load_experiment(DEMO / "demo.yaml")
    experiment, trainings = load_experiment(DEMO / "experiment.yaml")
    assert (len(demo.policies), len(demo.seeds)) == (2, 1)
    assert (len(experiment.policies), len(experiment.seeds)) == (15, 8)
    assert trainings[: len(trained)] == trained


@pytest.mark.parametrize(("file", "tasks"), [("demo.yaml", "words"), ("grids-experiment.yaml", "grids")])
def test_what_is_trained_is_what_prepare_makes(file: str, tasks: str):
    _, [training, *_] = load_experiment(DEMO / file)
    folder = FOLDERS[tasks]
    assert training.config["model"]["path"] == str(folder / "start")
    assert training.config["tasks"]["file"] == str(folder / "pool.parquet")
    assert training.config["evaluation"]["tasks"]["file"] == str(folder / "held-out.jsonl")
    assert training.config["rollouts"]["max_tokens"] == SETTINGS[tasks].answer_tokens
    # One update counts as many rollouts as a step has.
    create = training.config["selector"]["create"]
    assert create["posterior"]["rollouts"] == training.config["training"]["rollouts"]


def test_both_experiments_have_the_same_policies_and_questions():
    one, other = (load_experiment(DEMO / file)[0] for file in ("experiment.yaml", "grids-experiment.yaml"))
    apart = {"name", "trainer", "output"}
    assert one.model_dump(exclude=apart) == other.model_dump(exclude=apart)
    assert all(getattr(one, name) != getattr(other, name) for name in apart)


def test_every_policy_of_the_experiment_is_one_that_the_service_knows(tmp_path: Path):
    _, trainings = load_experiment(DEMO / "experiment.yaml")
    with (
        running_service(tmp_path, module="services.experiment.control") as url,
        SelectorClient(url) as client,
    ):
        client.create_pool("demo")
        client.add_tasks("demo", [Task(id="a", domain="words", references={"weak": 0.25, "strong": 0.75})])
        for training in trainings[:15]:
            status = client.create_run(training.run, **training.config["selector"]["create"])
            assert status.config["policy"]["type"] == training.config["selector"]["create"]["policy"]["type"]


def test_the_baseline_differs_from_bots_in_its_policy_alone():
    _, [bots, random] = load_experiment(DEMO / "demo.yaml")
    own, other = bots.config["selector"]["create"], random.config["selector"]["create"]
    assert (own["policy"]["type"], other["policy"]["type"]) == ("thompson", "random")
    assert {**own, "policy": None} == {**other, "policy": None}
    apart = {"selector": None, "output": None}
    assert {**bots.config, **apart} == {**random.config, **apart}
