import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from trainer_client import FakeSelector, RewardOutOfRange, SelectorClient
from trainer_client.data_sets import DataSetMismatch
from trainer_client.integrations.trl import SelectedGRPOTrainer
from trainer_client.resuming import RolledBack

# TRL and transformers 5 still use between themselves the name that transformers deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

TASKS = [f"task-{number}" for number in range(10)]
LETTERS = ["<pad>", "<end>", *"abcdefghij"]


class Rewards:
    """A reward function that passes on chance, and keeps what it gave."""

    __name__ = "rewards"

    def __init__(self, unscored: frozenset[str] = frozenset()):
        self.of_task: defaultdict[str, list[float]] = defaultdict(list)
        self.prompts: dict[str, str] = {}
        self._unscored = unscored
        self._draws = torch.Generator().manual_seed(0)

    def __call__(self, prompts: list[str], task: list[str], **_: Any) -> list[float | None]:
        given: list[float | None] = []
        for prompt, name in zip(prompts, task, strict=True):
            self.prompts[name] = prompt
            if name in self._unscored:
                given.append(None)
                continue
            reward = float(torch.rand((), generator=self._draws) < 0.5)
            self.of_task[name].append(reward)
            given.append(reward)
        return given


class Logs(TrainerCallback):
    def __init__(self):
        self.of_steps: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, **about: Any) -> None:
        self.of_steps.append(about["logs"])


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector.with_run("run", TASKS)


@pytest.fixture
def selector(fake: FakeSelector) -> Iterator[SelectorClient]:
    with SelectorClient("http://selector", run="run", transport=fake.transport) as client:
        yield client


def make_trainer(
    selector: SelectorClient, folder: Path, rewards: Any, tasks: list[Any] = TASKS, **options: Any
) -> SelectedGRPOTrainer:
    """Two prompts of two rollouts a generation, on a model of one small layer, if the options say nothing else."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(LETTERS),
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    )
    tokens = Tokenizer(models.WordLevel({letter: number for number, letter in enumerate(LETTERS)}, "<pad>"))
    tokens.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    config = {
        "output_dir": str(folder),
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 3,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": [],
        "disable_tqdm": True,
    }
    ours = {
        name: options.pop(name)
        for name in ("on_rollback", "outcome_reward", "filter_rounds")
        if name in options
    }
    rows = [{"task": task, "prompt": LETTERS[2 + number]} for number, task in enumerate(tasks)]
    return SelectedGRPOTrainer(
        model=model,
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokens, pad_token="<pad>", eos_token="<end>"
        ),
        reward_funcs=rewards,
        args=GRPOConfig(**(config | options)),
        train_dataset=Dataset.from_list(rows),
        selector=selector,
        **ours,
    )


def calls(fake: FakeSelector) -> list[str]:
    """Those of the training, without the look at the pool at its start."""
    paths = [request.url.path for request in fake.requests]
    return [path for path in paths if path in ("/select", "/report")]


def select_bodies(fake: FakeSelector) -> list[dict[str, Any]]:
    return [json.loads(request.content) for request in fake.requests if request.url.path == "/select"]


def evidence_of(rewards: Rewards) -> dict[str, tuple[float, int]]:
    return {task: (sum(given), len(given)) for task, given in rewards.of_task.items()}


def test_each_step_is_selected_after_the_one_before_it_is_reported(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    make_trainer(selector, tmp_path, Rewards()).train()
    assert calls(fake) == ["/select", "/report"] * 3
    assert [body["key"] for body in select_bodies(fake)] == ["step-0.0", "step-1.0", "step-2.0"]
    assert selector.run_status().selections.committed == 3


class VLLMServer:
    """In the place of TRL's line to a vLLM server: every completion is the same."""

    def __init__(self, *, mode: str, **_: Any):
        assert mode == "server"

    def sync_weights(self) -> None:
        pass

    def generate(self, prompts: list[Any], **_: Any) -> tuple[Any, ...]:
        return prompts, [[2, 1] for _ in prompts], [[[0.0], [0.0]] for _ in prompts], None


def test_rollouts_by_a_vllm_server_are_selected_and_reported_alike(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trl.trainer.grpo_trainer.VLLMGeneration", VLLMServer)
    server = {"vllm_mode": "server", "vllm_importance_sampling_correction": False}
    rewards = Rewards()
    make_trainer(selector, tmp_path, rewards, use_vllm=True, **server).train()
    assert calls(fake) == ["/select", "/report"] * 3
    assert fake.evidence("run") == evidence_of(rewards)


def test_the_selected_tasks_are_what_is_rolled_out_and_their_counts_are_true(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    rewards = Rewards()
    make_trainer(selector, tmp_path, rewards).train()
    selected = {task for event in selector.events() if event["type"] == "selected" for task in event["tasks"]}
    assert set(rewards.of_task) == selected
    assert all(rewards.prompts[task] == LETTERS[2 + TASKS.index(task)] for task in selected)
    assert fake.evidence("run") == evidence_of(rewards)


def test_a_generation_used_by_several_steps_is_selected_once(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    rewards = Rewards()
    trainer = make_trainer(
        selector, tmp_path, rewards, max_steps=4, gradient_accumulation_steps=2, num_iterations=2
    )
    trainer.train()
    assert [(body["key"], body["batch_size"]) for body in select_bodies(fake)] == [
        ("step-0.0", 4),
        ("step-2.0", 4),
    ]
    assert fake.evidence("run") == evidence_of(rewards)


def test_a_step_with_several_generations_has_a_key_for_each(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    make_trainer(
        selector, tmp_path, Rewards(), max_steps=2, gradient_accumulation_steps=2, steps_per_generation=1
    ).train()
    assert [body["key"] for body in select_bodies(fake)] == ["step-0.0", "step-0.1", "step-1.0", "step-1.1"]


def test_a_resumed_job_that_keeps_its_run_asks_with_the_keys_of_the_one_that_died(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    make_trainer(selector, tmp_path, Rewards(), save_strategy="steps", save_steps=2).train()
    resumed = make_trainer(selector, tmp_path, Rewards(), max_steps=4, on_rollback="keep")
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert [body["key"] for body in select_bodies(fake)][3:] == ["step-2.0", "step-3.0"]
    events = list(selector.events())
    assert sum(event["type"] == "selected" for event in events) == 4
    assert sum(event["type"] == "committed" for event in events) == 4
    assert sum(trials for _, trials in fake.evidence("run").values()) == 4 * 2 * 2


def test_a_job_that_goes_back_goes_on_in_a_fork_which_its_checkpoints_remember(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    make_trainer(selector, tmp_path, Rewards(), save_strategy="steps", save_steps=1).train()
    back = make_trainer(selector, tmp_path, Rewards(), save_strategy="steps", save_steps=1)
    back.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert selector.run == "run-2"
    assert "It goes on in run 'run-2', a fork with the first 1 commits; 'run' stays as it is" in caplog.text
    for run in ("run", "run-2"):
        assert sum(trials for _, trials in fake.evidence(run).values()) == 3 * 2 * 2
    assert selector.run_status().parent == {"run": "run", "step": 1}
    with SelectorClient("http://selector", run="run", transport=fake.transport) as again:
        make_trainer(again, tmp_path, Rewards(), max_steps=4).train(
            resume_from_checkpoint=str(tmp_path / "checkpoint-3")
        )
        assert again.run == "run-2"
        assert again.run_status().step == 4


def test_a_job_that_may_not_go_back_ends(selector: SelectorClient, tmp_path: Path):
    make_trainer(selector, tmp_path, Rewards(), max_steps=1).train()
    with pytest.raises(RolledBack, match="on_rollback"):
        make_trainer(selector, tmp_path, Rewards(), on_rollback="fail").train()


def test_half_the_batch_goes_on_in_the_run(fake: FakeSelector, selector: SelectorClient, tmp_path: Path):
    selector.select(4, key="step-0.0")
    make_trainer(selector, tmp_path, Rewards(), max_steps=1).train()
    assert [selection.status for selection in selector.selections()] == ["released", "committed"]


def test_the_second_of_two_trainers_on_a_run_is_told(
    selector: SelectorClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    selector.select(2, key="step-0.0")
    make_trainer(selector, tmp_path, Rewards(), max_steps=1).train()
    assert "another trainer is at work on this run" in caplog.text


def test_the_first_reward_function_that_answers_counts(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    one, other = Rewards(unscored=frozenset(TASKS[:5])), Rewards(unscored=frozenset(TASKS[5:]))
    make_trainer(selector, tmp_path, [one, other], max_steps=5).train()
    assert fake.evidence("run") == evidence_of(one) | evidence_of(other)


def test_a_callable_says_what_counts(fake: FakeSelector, selector: SelectorClient, tmp_path: Path):
    first, second = Rewards(), Rewards()
    make_trainer(
        selector, tmp_path, [first, second], max_steps=1, outcome_reward=lambda values: 1 - values[1]
    ).train()
    expected = {task: (sum(1 - reward for reward in given), 2) for task, given in second.of_task.items()}
    assert fake.evidence("run") == expected


def test_a_reward_outside_the_range_stops_before_anything_is_trained(
    selector: SelectorClient, tmp_path: Path
):
    def signed(completions: list[Any], **_: Any) -> list[float]:
        return [2.0 * (number % 2) - 1 for number in range(len(completions))]

    trainer = make_trainer(selector, tmp_path, signed)
    with pytest.raises(RewardOutOfRange, match=r"task 'task-\d': got a reward of -1.0.*`rewards`"):
        trainer.train()
    assert trainer.state.global_step == selector.run_status().step == 0


def test_integer_ids_are_their_decimal_text(tmp_path: Path):
    fake = FakeSelector.with_run("run", [str(number) for number in range(10)])
    with SelectorClient("http://selector", run="run", transport=fake.transport) as selector:
        rewards = Rewards()
        make_trainer(selector, tmp_path, rewards, tasks=list(range(10)), max_steps=1).train()
        assert fake.evidence("run") == evidence_of(rewards)


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([f"other-{number}" for number in range(10)], r"lacks 10 .*'other-0'.*'task-0'"),
        ([*TASKS[:9], TASKS[0]], r"'task-0' stands there twice, in rows 0 and 9"),
    ],
)
def test_tasks_that_do_not_fit_are_named_at_construction(
    tasks: list[Any], words: str, selector: SelectorClient, tmp_path: Path
):
    with pytest.raises(DataSetMismatch, match=words):
        make_trainer(selector, tmp_path, Rewards(), tasks=tasks)


def test_tasks_that_the_data_set_lacks_are_excluded(
    selector: SelectorClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    make_trainer(selector, tmp_path, Rewards(), tasks=TASKS[:8], max_steps=4).train()
    assert "2 of the pool's 10 tasks are not in the data set, such as 'task-8', 'task-9'" in caplog.text
    assert selector.run_status().excluded == 2


def test_rollouts_without_a_reward_are_not_counted(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    rewards = Rewards(unscored=frozenset(TASKS[:5]))
    make_trainer(selector, tmp_path, rewards, max_steps=5).train()
    assert fake.evidence("run") == evidence_of(rewards)
    assert selector.run_status().selections.open == 0
    assert '"dropped": "not scored"' in "".join(
        request.content.decode() for request in fake.requests if request.url.path == "/report"
    )


def test_logs_hold_the_effective_task_ratio(selector: SelectorClient, tmp_path: Path):
    rewards, logs = Rewards(), Logs()
    trainer = make_trainer(selector, tmp_path, rewards, max_steps=1)
    trainer.add_callback(logs)
    trainer.train()
    effective = [0 < sum(given) < len(given) for given in rewards.of_task.values()]
    assert logs.of_steps[0]["selector/etr"] == sum(effective) / len(effective)
    assert logs.of_steps[0]["selector/select_ms"] > 0


def test_groups_whose_rewards_are_equal_are_not_trained_on(
    fake: FakeSelector, selector: SelectorClient, tmp_path: Path
):
    rewards, logs = Rewards(), Logs()
    trainer = make_trainer(selector, tmp_path, rewards, filter_rounds=5)
    trainer.add_callback(logs)
    trained: list[torch.Tensor] = []
    compute_loss = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: (
        trained.append(inputs["advantages"]) or compute_loss(model, inputs)
    )
    trainer.train()
    steps = [of_step for of_step in logs.of_steps if "selector/informative" in of_step]
    assert len(steps) == 3
    for advantages, of_step in zip(trained, steps, strict=True):
        assert len(advantages) == 4
        assert int((advantages != 0).sum()) == 4 * of_step["selector/informative"]
    assert [body["informative"] for body in select_bodies(fake) if body["key"].endswith(".0")] == [2, 2, 2]
    assert {body["rollouts"] for body in select_bodies(fake)} == {2}
    rows = {row.task: (row.successes, row.trials) for row in selector.posteriors() if row.trials}
    assert rows == evidence_of(rewards)


def test_a_dataset_without_task_ids_is_refused(selector: SelectorClient, tmp_path: Path):
    trainer = make_trainer(selector, tmp_path, Rewards())
    with pytest.raises(ValueError, match="with a column 'task'"):
        SelectedGRPOTrainer(
            model=trainer.model,
            processing_class=trainer.processing_class,
            reward_funcs=Rewards(),
            args=trainer.args,
            train_dataset=Dataset.from_list([{"prompt": "a"}]),
            selector=selector,
        )
