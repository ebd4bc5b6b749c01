import json
from pathlib import Path

import pytest
import torch
from pyarrow.parquet import read_table
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.command_line.failures import Failure
from services.demo.model import make_tokenizer
from services.demo.prepare import prepare
from services.demo.setting import Setting
from services.demo.tasks import answer_of, draw_tasks, reward
from services.experiment.trainings import load_experiment

DEMO = Path(__file__).parents[3] / "services" / "demo"
TINY = Setting(
    pool_size=2,
    held_out_size=1,
    validation_size=2,
    example_size=20,
    weak_accuracy=-3,
    start_accuracy=-2,
    strong_accuracy=-1,
    reference_samples=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "materials"
    prepare(folder, TINY)
    return folder


def test_the_pool_has_its_references_measured(folder: Path):
    rows = read_table(folder / "pool.parquet").to_pylist()
    assert {row["domain"] for row in rows} == {"words", "numbers"}
    for row in rows:
        assert {row["weak_pass_rate"], row["strong_pass_rate"]} <= {0.0, 0.5, 1.0}
        assert reward("", row["answer"]) == 0.0


def test_held_out_tasks_are_others(folder: Path):
    pool = {row["id"] for row in read_table(folder / "pool.parquet").to_pylist()}
    held_out = {json.loads(line)["id"] for line in (folder / "held-out.jsonl").read_text().splitlines()}
    assert held_out
    assert not held_out & pool


def test_the_models_load_with_their_tokenizer(folder: Path):
    prompt = draw_tasks(1, 0)[0].prompt
    for name in ("weak", "start", "strong"):
        tokenizer = AutoTokenizer.from_pretrained(folder / name)
        assert tokenizer(prompt)["input_ids"] == make_tokenizer()(prompt)["input_ids"]
        model = AutoModelForCausalLM.from_pretrained(folder / name)
        assert model.num_parameters() == 91_008
        assert torch.isfinite(model(**tokenizer(prompt, return_tensors="pt")).logits).all()


def test_what_is_there_is_not_overwritten(folder: Path):
    with pytest.raises(Failure, match="is there already"):
        prepare(folder, TINY)


def test_the_reward_is_that_of_the_task():
    for task in draw_tasks(2, 0):
        assert reward(task.target, answer_of(task)) == 1.0
        assert reward(task.target + " 7", answer_of(task)) == 0.0


def test_the_experiment_has_the_demos_setting():
    experiment, trainings = load_experiment(DEMO / "experiment.yaml")
    assert len(experiment.policies) == 5
    assert len(experiment.seeds) == 6
    config, setting = trainings[0].config, Setting()
    assert config["training"]["steps"] == setting.steps
    assert config["training"]["prompts"] == setting.prompts
    assert config["training"]["rollouts"] == setting.rollouts
    assert config["training"]["learning_rate"] == setting.learning_rate
    assert config["evaluation"]["every"] == setting.evaluate_every
    assert config["evaluation"]["samples"] == setting.evaluation_samples
    create = config["selector"]["create"]
    assert {"seed": config["seed"], "posterior": create["posterior"], "implicit": create["implicit"]} == (
        setting.run_config()
    )
