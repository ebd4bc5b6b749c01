"""The configurations of the paper's set-up say what the paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyarrow.parquet import write_table
from pydantic import TypeAdapter
from trl.trainer.grpo_config import GRPOConfig

from selector_api.web.schemas.runs import RunRequest
from services.command_line.configuration import checked, load, load_mapping, merge
from services.models.tokenizer import load_tokenizer
from services.task_files.guru import join_files
from services.trainer.config import TrainerConfig, VllmColocate
from services.trainer.selector import make_client
from services.trainer.training import make_trainer, short_enough

CONFIGS = Path(__file__).parents[3] / "services" / "trainer" / "configs"
MODELS = {
    "qwen2.5-1.5b-instruct": "Qwen/Qwen2.5-1.5B-Instruct",
    "qwen2.5-7b-instruct": "Qwen/Qwen2.5-7B-Instruct",
}
REWARDS = {"math": "boxed-math", "code": "python-tests", "logic": "exact-answer"}
SETTINGS = [f"{model}/{domain}" for model in MODELS for domain in REWARDS]
FILES = [f"{setting}/{policy}.yaml" for setting in SETTINGS for policy in ("bots", "random")]


def differing(one: Any, other: Any, at: str = "") -> set[str]:
    """Where two mappings differ, as dotted names."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {at}
    names = one.keys() | other.keys()
    return set().union(*(differing(one.get(n), other.get(n), f"{at}.{n}".lstrip(".")) for n in names))


def test_every_file_is_one_of_the_papers_settings_or_extended_by_one():
    files = {path.relative_to(CONFIGS).as_posix(): path for path in CONFIGS.rglob("*.yaml")}
    extended = {
        (path.parent / text["extends"]).resolve()
        for path in files.values()
        if "extends" in (text := yaml.safe_load(path.read_text()))
    }
    assert (
        {name for name, path in files.items() if path.resolve() not in extended} <= set(FILES) <= set(files)
    )


@pytest.mark.parametrize("name", FILES)
def test_it_has_the_papers_values(name):
    config = load(CONFIGS / name, TrainerConfig)
    training, rollouts, create = config.training, config.rollouts, config.selector.create
    assert create is not None
    assert create.posterior == {
        "type": "bots",
        "prior": [1, 1],
        "forgetting": 0.1,
        "implicit_weight": 0.1,
        "rollouts": 16,
    }
    assert create.implicit == {
        "type": "interpolation",
        "weak": "qwen2.5-7b-instruct",
        "strong": "qwen3-30b-a3b",
    }
    assert config.tasks.references == {
        "qwen2.5-7b-instruct": "qwen2.5_7b_pass_rate",
        "qwen3-30b-a3b": "qwen3_30b_pass_rate",
    }
    assert (training.prompts, training.rollouts, training.learning_rate) == (32, 16, 1e-6)
    assert (training.precision, training.iterations, training.filter_groups) == ("bf16", 1, None)
    assert (rollouts.temperature, rollouts.top_p) == (1.0, 1.0)
    assert (rollouts.max_prompt_tokens, rollouts.max_tokens) == (4096, 8192)
    assert isinstance(rollouts.engine, VllmColocate)
    assert rollouts.engine.max_model_length == 4096 + 8192
    assert config.evaluation is not None
    assert config.evaluation.tasks.answer == config.tasks.answer == "reward_model.ground_truth"
    assert config.evaluation.tasks.file != config.tasks.file


@pytest.mark.parametrize("name", FILES)
def test_it_is_of_its_model_domain_and_policy(name):
    model, domain, policy = name.removesuffix(".yaml").split("/")
    config = load(CONFIGS / name, TrainerConfig)
    create = config.selector.create
    assert create is not None
    assert config.model.path == MODELS[model]
    assert config.reward.type == REWARDS[domain]
    assert config.tasks.file == Path(f"guru/{domain}.parquet")
    assert create.pool == f"guru-{domain}"
    assert config.selector.run == f"{model}-{domain}-{policy}"
    assert config.output == Path("trainings") / model / domain / policy
    assert (
        create.policy
        == {
            "bots": {"type": "thompson", "target": 0.5, "temperature": 0},
            "random": {"type": "random"},
        }[policy]
    )


@pytest.mark.parametrize("name", FILES)
def test_the_selector_takes_its_run(name):
    create = load(CONFIGS / name, TrainerConfig).selector.create
    assert create is not None
    TypeAdapter(RunRequest).validate_python(create.model_dump(exclude_none=True))


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_policies_of_a_setting_differ_in_nothing_else(setting):
    bots, random = (load_mapping(CONFIGS / setting / f"{policy}.yaml") for policy in ("bots", "random"))
    assert differing(bots, random) == {
        "output",
        "selector.run",
        "selector.create.policy.type",
        "selector.create.policy.target",
        "selector.create.policy.temperature",
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_a_step_can_be_shared_out_among_processes(name, processes):
    training = load(CONFIGS / name, TrainerConfig).training
    assert training.prompts * training.rollouts % (training.device_batch * processes) == 0


def save_guru(path: Path, first: int, truth: str) -> None:
    """Forty tasks as GURU has them."""
    rows = [
        {
            "data_source": "guru",
            "prompt": [{"role": "user", "content": chr(97 + number % 26) * (1 + number)}],
            "reward_model": {"ground_truth": truth, "style": "rule"},
            "extra_info": {"index": number},
            "qwen2.5_7b_pass_rate": 0.25,
            "qwen3_30b_pass_rate": 0.75,
        }
        for number in range(first, first + 40)
    ]
    write_table(pa.Table.from_pylist(rows), path.with_suffix(".raw.parquet"))
    join_files([path.with_suffix(".raw.parquet")], path)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
@pytest.mark.parametrize("name", FILES)
def test_everything_but_the_weights_is_built(name: str, tiny_model: Path, tmp_path: Path):
    mapping = load_mapping(CONFIGS / name)
    truth = '{"inputs": ["1"], "outputs": ["1"]}' if "code" in name else "1"
    for section, file, first in [
        (mapping["tasks"], "tasks.parquet", 0),
        (mapping["evaluation"]["tasks"], "held-out.parquet", 40),
    ]:
        save_guru(tmp_path / file, first, truth)
        section["file"] = str(tmp_path / file)
    # Weights of one small layer, and the engine that needs no GPU.
    mapping = merge(
        mapping,
        {
            "output": str(tmp_path / "output"),
            "model": {"path": str(tiny_model)},
            "rollouts": {"engine": {"type": "transformers"}},
        },
    )
    config = checked(mapping, TrainerConfig, CONFIGS / name)
    tokenizer = load_tokenizer(config.model.path)
    tasks = short_enough(config, tokenizer)
    assert len(tasks) == 40
    with make_client(config, tasks) as selector:
        trainer = make_trainer(config, tokenizer, tasks, selector, records=None)
    assert isinstance(trainer.args, GRPOConfig)
    assert trainer.args.generation_batch_size == 512
    assert trainer.num_generations == 16
    assert trainer.args.max_steps == config.training.steps
