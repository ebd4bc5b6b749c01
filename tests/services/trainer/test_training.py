from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from services.command_line.configuration import checked, save_mapping
from services.command_line.failures import Failure
from services.processes.one_at_a_time import only_one
from services.trainer import training
from services.trainer.checkpoints import newest_checkpoint
from services.trainer.command import train as train_command
from services.trainer.config import TrainerConfig
from services.trainer.pod_trainer import PodTrainer
from services.trainer.records import Records, read_records
from services.trainer.training import train
from tests.service import Service
from tests.services.tiny import save_tasks, trainer_config
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)
from trainer_client import SelectorClient

# TRL and transformers 5 still use between themselves the name that transformers deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def run_training(mapping: dict[str, Any]) -> Records:
    config = checked(mapping, TrainerConfig, Path("test.yaml"))
    train(config)
    return read_records(config.output)


def test_five_steps_each_selected_after_the_one_before_was_reported(folder: Path, service_url: str):
    records = run_training(trainer_config(folder, service_url, "five-steps"))
    events = events_of(service_url, "five-steps")
    assert_each_selection_counted_once(events, selections=5)
    assert [event["key"] for event in events if event["type"] == "selected"] == [
        f"step-{n}.0" for n in range(5)
    ]
    # No look-ahead: the state that a selection was drawn from holds the commit of the step before.
    assert [event["step"] for event in events if event["type"] == "selected"] == [0, 1, 2, 3, 4]
    assert evidence_in_log(events) == evidence_in_records(records)
    assert [step.step for step in records.steps] == [1, 2, 3, 4, 5]
    assert records.finished


def test_records_say_what_was_rolled_out(folder: Path, service_url: str):
    records = run_training(trainer_config(folder, service_url, "records"))
    for step in records.steps:
        assert step.rollouts == 16
        assert 16 <= step.rollout_tokens <= 16 * 4
        assert 0 < step.selector_seconds < step.seconds
        [selection] = step.selections
        assert len(selection.tasks) == 4
        assert all(task.trials == 4 for task in selection.tasks)
        assert step.reward == sum(task.successes for task in selection.tasks) / 16
    first = records.steps[0].selections[0].tasks
    assert all(task.mean == 0.5 for task in first)  # the prior's


def test_a_finished_training_leaves_a_model_and_does_nothing_more(folder: Path, service_url: str):
    mapping = trainer_config(folder, service_url, "finished")
    run_training(mapping)
    output = Path(mapping["output"])
    assert (output / "model" / "model.safetensors").exists()
    assert (output / "model" / "tokenizer.json").exists()
    newest = newest_checkpoint(output)
    assert newest is not None
    assert newest.name == "checkpoint-5"
    before = (output / "records.jsonl").read_bytes()
    run_training(mapping)
    assert (output / "records.jsonl").read_bytes() == before


def test_more_steps_go_on_from_the_newest_checkpoint(folder: Path, service_url: str):
    run_training(trainer_config(folder, service_url, "longer", training={"steps": 3}))
    records = run_training(trainer_config(folder, service_url, "longer"))
    assert [step.step for step in records.steps] == [1, 2, 3, 4, 5]
    assert_each_selection_counted_once(events_of(service_url, "longer"), selections=5)


def test_a_training_that_goes_back_goes_on_in_a_fork_of_its_run(folder: Path, service_url: str):
    config = trainer_config(folder, service_url, "back", checkpoints={"keep": 5})
    run_training(config)
    for step in (5, 4):
        shutil.rmtree(folder / "back" / f"checkpoint-{step}")
    records = run_training(config)
    with SelectorClient(service_url, run="back") as client:
        assert [client.run_status(run).step for run in ("back", "back-2")] == [5, 5]
        assert client.run_status("back-2").parent == {"run": "back", "step": 2}
    runs = [selection.run for step in records.steps for selection in step.selections]
    assert runs == ["back"] * 2 + ["back-2"] * 3


def test_held_out_accuracy_is_recorded_before_during_and_after(folder: Path, service_url: str):
    records = run_training(
        trainer_config(
            folder,
            service_url,
            "held-out",
            evaluation={
                "tasks": {"file": str(folder / "held-out.jsonl"), "id": "id"},
                "every": 2,
                "samples": 3,
            },
        )
    )
    assert [seen.step for seen in records.evaluations] == [0, 2, 4, 5]
    assert all((seen.tasks, seen.samples) == (6, 3) for seen in records.evaluations)
    # Six tasks of three samples each: a rate in eighteenths.
    assert all(round(seen.accuracy * 18, 6) % 1 == 0 for seen in records.evaluations)
    assert evidence_in_log(events_of(service_url, "held-out")) == evidence_in_records(records)


def test_held_out_tasks_that_are_trained_on_are_refused(folder: Path, service_url: str):
    save_tasks(folder / "held-out.jsonl", count=3, first=19)
    config = trainer_config(
        folder,
        service_url,
        "overlap",
        evaluation={"tasks": {"file": str(folder / "held-out.jsonl"), "id": "id"}, "every": 2},
    )
    with pytest.raises(Failure, match="1 tasks are also trained on, such as 'task-19'"):
        run_training(config)


def test_training_goes_on_while_the_service_is_away_and_all_evidence_arrives_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    service = Service(tmp_path / "service").start()
    record_step = PodTrainer.record_step

    def then_stop_or_start(trainer: PodTrainer, seconds: float) -> None:
        record_step(trainer, seconds)
        if trainer.state.global_step == 1:
            service.stop()
        elif trainer.state.global_step == 4:
            service.start()

    monkeypatch.setattr(PodTrainer, "record_step", then_stop_or_start)
    try:
        records = run_training(trainer_config(folder, service.url, "away", training={"steps": 6}))
        events = events_of(service.url, "away")
    finally:
        service.stop()
    assert [step.selections[0].fallback for step in records.steps] == [False, True, True, True, False, False]
    assert evidence_in_log(events) == evidence_in_records(records)
    assert sum(evidence_in_log(events).values()) == 6 * 4
    assert list((folder / "away" / "unsent-reports").glob("*.json")) == []


def test_a_training_goes_on_from_its_checkpoint_while_the_service_is_away(folder: Path, tmp_path: Path):
    service = Service(tmp_path / "service").start()
    run_training(trainer_config(folder, service.url, "resumed", training={"steps": 3}))
    service.stop()
    records = run_training(trainer_config(folder, service.url, "resumed"))
    assert [step.selections[0].fallback for step in records.steps] == [False, False, False, True, True]
    service.start()
    try:
        run_training(trainer_config(folder, service.url, "resumed"))
        assert evidence_in_log(events_of(service.url, "resumed")) == evidence_in_records(records)
    finally:
        service.stop()


@pytest.mark.parametrize("last_deed", ["mark_complete", "finish"])
def test_a_training_that_dies_at_its_end_takes_no_step_too_many(
    folder: Path, service_url: str, monkeypatch: pytest.MonkeyPatch, last_deed: str
):
    class Dead(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Dead

    config = trainer_config(folder, service_url, f"end-{last_deed}")
    with monkeypatch.context() as patched:
        patched.setattr(training, last_deed, die)
        with pytest.raises(Dead):
            run_training(config)
    records = run_training(config)
    assert [step.step for step in records.steps] == [1, 2, 3, 4, 5]
    assert records.finished
    assert_each_selection_counted_once(events_of(service_url, f"end-{last_deed}"), selections=5)


def test_groups_without_variance_are_replaced_and_their_rollouts_counted(folder: Path, service_url: str):
    records = run_training(
        trainer_config(
            folder,
            service_url,
            "filtered",
            selector={"create": {"pool": "filtered", "policy": {"type": "random"}}},
            training={"filter_groups": {"max_rounds": 5}, "rollouts": 2, "prompts": 4, "device_batch": 8},
        )
    )
    assert max(len(step.selections) for step in records.steps) > 1
    for step in records.steps:
        tasks = [len(selection.tasks) for selection in step.selections]
        effective = [sum(task.effective for task in selection.tasks) for selection in step.selections]
        assert sum(effective[:-1]) < 4
        assert sum(effective) >= 4 or sum(tasks) > 16
        assert sum(tasks) <= 20
        assert step.rollouts == 2 * sum(tasks)
    events = events_of(service_url, "filtered")
    assert {event["rollouts"] for event in events if event.get("informative")} == {2}
    committed = [event for event in events if event["type"] == "committed"]
    assert len(committed) == sum(len(step.selections) for step in records.steps)
    assert evidence_in_log(events) == evidence_in_records(records)


def test_low_rank_adapters_are_trained(folder: Path, service_url: str):
    config = trainer_config(
        folder,
        service_url,
        "lora",
        model={"lora": {"rank": 2, "alpha": 4}},
        training={"steps": 2},
    )
    run_training(config)
    adapters = load_file(Path(config["output"]) / "model" / "adapter_model.safetensors")
    # The second matrix of an adapter is zero until it is trained.
    assert all(weight.any() for name, weight in adapters.items() if "lora_B" in name)


def explode(completion: str, answer: str) -> float:
    raise RuntimeError("the judge is ill")


def test_a_reward_that_raises_counts_as_failed_and_training_goes_on(folder: Path, service_url: str):
    records = run_training(
        trainer_config(
            folder,
            service_url,
            "raises",
            reward={"function": "tests.services.trainer.test_training:explode"},
            training={"steps": 2},
        )
    )
    assert [step.reward_failures for step in records.steps] == [16, 16]
    assert [step.reward for step in records.steps] == [0, 0]


def test_chats_are_trained_on(folder: Path, service_url: str):
    config = trainer_config(folder, service_url, "chat", training={"steps": 2})
    config["tasks"]["system_prompt"] = "answer"
    records = run_training(config)
    assert evidence_in_log(events_of(service_url, "chat")) == evidence_in_records(records)


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("training", {"trl": {"max_steps": 3}}, "training.trl.max_steps: is settled elsewhere"),
        ("training", {"trl": {"no_such": 3}}, "training: .*no_such"),
        ("training", {"prompts": 30, "device_batch": 4}, "20 tasks to train on, but training.prompts is 30"),
        ("model", {"path": "no/such/model"}, "model.path: got 'no/such/model'"),
        (
            "training",
            {"device_batch": 7},
            "device_batch: got 7; it must divide prompts × rollouts, which is 16",
        ),
        ("training", {"trl": {"steps_per_generation": 4}}, "training.trl.steps_per_generation: is settled"),
        ("training", {"trl": {"load_best_model_at_end": True}}, "training: .*load_best_model_at_end"),
        (
            "training",
            {"iterations": 3},
            "iterations: got 3; it must divide training.steps and checkpoints.every",
        ),
        ("rollouts", {"engine": {"type": "vllm-colocate"}}, "rollouts.engine: vllm-colocate needs vllm"),
        ("rollouts", {"max_prompt_tokens": 2}, "0 tasks to train on"),
        ("selector", {"url": "selector"}, "selector.url: base_url: got 'selector'"),
        ("reward", {"function": "tests.nowhere:reward"}, "tests.nowhere"),
    ],
)
def test_mistakes_are_named(
    folder: Path, service_url: str, section: str, changes: dict[str, Any], message: str
):
    with pytest.raises(Failure, match=message):
        run_training(trainer_config(folder, service_url, "mistakes", **{section: changes}))


def test_a_run_that_another_training_used_is_refused(folder: Path, service_url: str):
    run_training(trainer_config(folder, service_url, "used", training={"steps": 1}))
    again = trainer_config(folder, service_url, "used") | {"output": str(folder / "elsewhere")}
    with pytest.raises(Failure, match=r"'used' has 1 commits, but there are no records in .*elsewhere"):
        run_training(again)


def test_tasks_of_the_pool_that_a_training_lacks_are_excluded_from_its_run(
    folder: Path, service_url: str, caplog: pytest.LogCaptureFixture
):
    run_training(trainer_config(folder, service_url, "whole", training={"steps": 1}))
    fewer = trainer_config(folder, service_url, "part", tasks={"limit": 10})
    fewer["selector"]["create"]["pool"] = "whole"
    run_training(fewer)
    assert "10 of the pool's 20 tasks are not in the data set" in caplog.text
    with SelectorClient(service_url, run="part") as client:
        assert client.run_status().excluded == 10


def test_texts_and_chats_together_are_refused(folder: Path, service_url: str):
    with (folder / "tasks.jsonl").open("a") as file:
        file.write('{"id": "chat", "prompt": [{"role": "user", "content": "a"}], "answer": "a"}\n')
    with pytest.raises(Failure, match="some prompts are texts and others chats"):
        run_training(trainer_config(folder, service_url, "mixed"))


def test_a_run_with_another_configuration_is_refused(folder: Path, service_url: str):
    run_training(trainer_config(folder, service_url, "taken", training={"steps": 1}))
    other = trainer_config(folder, service_url, "taken", selector={"create": {"pool": "taken"}})
    with pytest.raises(Failure, match="selector: run: it exists with another configuration"):
        run_training(other)


def test_an_output_of_another_run_is_refused(folder: Path, service_url: str):
    run_training(trainer_config(folder, service_url, "first-run", training={"steps": 1}))
    other = trainer_config(folder, service_url, "second-run") | {"output": str(folder / "first-run")}
    with pytest.raises(
        Failure, match=r"output: .* holds the training of the run 'first-run', not of 'second-run'"
    ):
        run_training(other)


def test_two_trainings_in_one_output_folder_are_not_let_do(folder: Path, service_url: str):
    config = trainer_config(folder, service_url, "twice")
    with (
        only_one(folder / "twice"),
        pytest.raises(Failure, match=rf"output: .*twice is in use by process {os.getpid()}"),
    ):
        run_training(config)
    assert not (folder / "twice" / "records.jsonl").exists()


def test_ctrl_c_says_what_is_kept_and_how_it_goes_on(
    folder: Path, service_url: str, monkeypatch: pytest.MonkeyPatch
):
    record_step = PodTrainer.record_step

    def interrupted(trainer: PodTrainer, seconds: float) -> None:
        record_step(trainer, seconds)
        if trainer.state.global_step == stops_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(PodTrainer, "record_step", interrupted)
    save_mapping(folder / "train.yaml", trainer_config(folder, service_url, "interrupted"))
    stops_at = 1
    with pytest.raises(
        Failure, match=r"stopped after step 1, before the first checkpoint\. The same"
    ) as stop:
        train_command(folder / "train.yaml")
    assert stop.value.exit_code == 130
    stops_at = 3
    with pytest.raises(Failure, match=r"stopped after step 3\. .* goes on after step 2, from .*checkpoint-2"):
        train_command(folder / "train.yaml")


def test_the_posterior_counts_as_many_rollouts_as_the_training_makes(folder: Path, service_url: str):
    run_training(trainer_config(folder, service_url, "counted", training={"steps": 1}))
    with SelectorClient(service_url, run="counted") as client:
        assert client.run_status().config["posterior"]["rollouts"] == 4
