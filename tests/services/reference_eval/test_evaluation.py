"""Whole evaluations, in this process."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq
import pytest

from services.command_line.failures import Failure
from services.models.tokenizer import load_tokenizer, tokens
from services.reference_eval.config import ReferenceEvaluation
from services.reference_eval.evaluation import evaluate
from services.reference_eval.measure import seed_of
from services.reference_eval.progress import measured_by
from services.reference_eval.shards import Shard
from services.reference_eval.transformers_engine import Transformers
from services.task_files.tasks import read_tasks
from tests.services.reference_eval.settings import SAMPLES, evaluation, measured_in
from tests.services.tiny import passes
from trainer_client import SelectorClient

WHOLE = Shard(0, 1)


def rates_in(config: ReferenceEvaluation) -> dict[str, float]:
    table = pq.read_table(config.output)
    return dict(zip(table["id"].to_pylist(), table["tiny_pass_rate"].to_pylist(), strict=True))


@pytest.fixture
def config(folder: Path, model: Path) -> ReferenceEvaluation:
    return evaluation(folder, model)


@pytest.fixture
def expected(config: ReferenceEvaluation) -> dict[str, float]:
    """The pass rates, measured task by task."""
    assert config.engine.type == "transformers"
    tokenizer = load_tokenizer(config.model.path)
    engine = Transformers(config.engine, config.model, config.sampling, tokenizer)
    rates = {}
    for task in read_tasks(config.tasks):
        [completions] = engine.generate([tokens(task.prompt, tokenizer, {})], [seed_of(task.id, 0)])
        assert len(completions) == SAMPLES
        rates[task.id] = fmean(passes(text, task.answer) for text in completions)
    return rates


def test_the_result_has_each_tasks_mean_reward(
    config: ReferenceEvaluation, expected: dict[str, float], capsys: pytest.CaptureFixture[str]
):
    evaluate(config, WHOLE)
    assert rates_in(config) == expected
    assert len(set(expected.values())) > 2
    told = capsys.readouterr().out
    never, always = (sum(rate == end for rate in expected.values()) / 10 for end in (0, 1))
    assert f"10 tasks, mean pass rate {fmean(expected.values()):.3f} in column 'tiny_pass_rate'" in told
    assert f"{never:.1%} never pass, {always:.1%} always" in told


def ten_or_minus_ten(completion: str, answer: str) -> float:
    return 20 * passes(completion, answer) - 10


@pytest.mark.parametrize(
    "rewards", [{"type": "range", "min": -10, "max": 10}, {"type": "threshold", "pass_at": 5}]
)
def test_rewards_of_another_range_are_worth_what_they_are_to_a_run(
    folder: Path, model: Path, expected: dict[str, float], rewards: dict[str, object]
):
    reward = {"function": f"{__name__}:ten_or_minus_ten"}
    with pytest.raises(
        Failure, match=r"got a reward of -?10\.0, but the run's range is 0 to 1\. .*measurement rewards"
    ):
        evaluate(evaluation(folder, model, reward=reward), WHOLE)
    config = evaluation(folder, model, reward=reward, rewards=rewards)
    evaluate(config, WHOLE)
    assert rates_in(config) == expected


def test_a_model_path_that_was_mistyped_leaves_nothing_in_the_way_of_the_right_one(
    folder: Path, model: Path, expected: dict[str, float]
):
    with pytest.raises(Failure, match=r"model\.path: got 'no/such/model'"):
        evaluate(evaluation(folder, Path("no/such/model")), WHOLE)
    config = evaluation(folder, model)
    header = measured_by(evaluation(folder, Path("no/such/model")))
    (config.progress / "0-of-1.jsonl").write_text(json.dumps(header) + "\n")  # as earlier releases left it
    evaluate(config, WHOLE)
    assert rates_in(config) == expected


def test_shards_together_measure_what_one_would(config: ReferenceEvaluation, expected: dict[str, float]):
    evaluate(config, Shard(1, 2))
    assert not config.output.exists()
    assert sum(measured_in(config).values()) == 5
    evaluate(config, Shard(0, 2))
    assert rates_in(config) == expected
    assert measured_in(config) == Counter(expected.keys())


def test_what_is_finished_is_not_measured_again(
    config: ReferenceEvaluation, expected: dict[str, float], monkeypatch: pytest.MonkeyPatch
):
    evaluate(config, Shard(1, 3))
    evaluate(config, WHOLE)
    assert measured_in(config) == Counter(expected.keys())
    assert rates_in(config) == expected
    config.output.unlink()
    monkeypatch.setattr("services.reference_eval.evaluation.measure", None)
    evaluate(config, WHOLE)
    assert rates_in(config) == expected


def test_rows_of_the_same_task_get_its_rate_and_those_beyond_the_limit_none(folder: Path, model: Path):
    file = folder / "tasks.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1], lines[0], *lines[2:]]) + "\n")
    config = evaluation(folder, model, tasks={"limit": 4})
    evaluate(config, WHOLE)
    rates = pq.read_table(config.output)["tiny_pass_rate"].to_pylist()
    assert rates[0] == rates[2]
    assert [rate is None for rate in rates] == [False] * 5 + [True] * 6


def test_chats_are_measured(folder: Path, model: Path):
    """The tiny chat template puts contents after each other, so the model sees the same tokens."""
    evaluate(evaluation(folder, model, name="text"), WHOLE)
    rows = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    for row in rows:
        row["prompt"] = [{"role": "user", "content": row["prompt"]}]
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chats = {"file": str(folder / "chats.jsonl")}
    evaluate(evaluation(folder, model, tasks=chats, output=str(folder / "chats.parquet")), WHOLE)
    text, chat = (pq.read_table(folder / name) for name in ("result.parquet", "chats.parquet"))
    assert chat["tiny_pass_rate"].to_pylist() == text["text_pass_rate"].to_pylist()


def test_a_failing_reward_is_worth_nothing_and_counted(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    reward = {"function": "tests.services.reference_eval.settings:broken"}
    config = evaluation(folder, model, reward=reward, reward_threads=4)
    evaluate(config, WHOLE)
    assert set(rates_in(config).values()) == {0.0}
    assert f"the reward failed on {10 * SAMPLES} completions" in capsys.readouterr().out


def test_threads_score_the_same(folder: Path, model: Path, expected: dict[str, float]):
    config = evaluation(folder, model, reward_threads=4)
    evaluate(config, WHOLE)
    assert rates_in(config) == expected


def test_without_vllm_its_engine_says_so(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(Failure, match=r"engine\.type: vllm is not installed"):
        evaluate(evaluation(folder, model, engine={"type": "vllm"}), WHOLE)


def test_a_prompt_without_room_is_named(folder: Path, model: Path):
    with pytest.raises(Failure, match=r"task 'task-7': its prompt has 10 tokens.*it may have 1 to 9"):
        evaluate(evaluation(folder, model, sampling={"max_tokens": 55}), WHOLE)


def test_a_result_that_could_not_be_written_fails_before_anything_is_measured(folder: Path, model: Path):
    config = evaluation(folder, model, column="prompt")
    with pytest.raises(Failure, match="has a column 'prompt' already"):
        evaluate(config, WHOLE)
    assert not config.progress.exists()


def test_a_known_reference_is_refused(folder: Path, model: Path):
    with pytest.raises(ValueError, match=r"'weak' is one of tasks\.references already"):
        evaluation(folder, model, name="weak", tasks={"references": {"weak": "weak"}})


def test_the_task_file_is_not_replaced(folder: Path, model: Path):
    file = str(folder / "tasks.parquet")
    with pytest.raises(ValueError, match=r"output: .* is tasks\.file; give another path"):
        evaluation(folder, model, tasks={"file": file}, output=file)


def test_the_pool_gets_all_references_also_later_ones_and_keeps_the_first_values(
    folder: Path, model: Path, service_url: str, capsys: pytest.CaptureFixture[str]
):
    """The weak model is measured first; the strong one's tasks are the file that came of that."""
    weak = evaluation(folder, model, name="weak")
    evaluate(weak, WHOLE)
    pool = {"url": service_url, "pool": "reference-eval"}
    changes = {
        "tasks": {"file": str(weak.output), "references": {"weak": "weak_pass_rate"}},
        "output": str(folder / "both.parquet"),
        "pool": pool,
    }
    evaluate(evaluation(folder, model, **changes), WHOLE)
    assert "pool 'reference-eval': 10 inserted, 0 unchanged, 10 tasks in all" in capsys.readouterr().out
    with SelectorClient(service_url) as client:
        assert sorted(client.pool("reference-eval").references) == ["tiny", "weak"]
    evaluate(evaluation(folder, model, **changes), WHOLE)
    assert "pool 'reference-eval': 0 inserted, 10 unchanged, 10 tasks in all" in capsys.readouterr().out
    evaluate(evaluation(folder, model, name="late", output=str(folder / "late.parquet"), pool=pool), WHOLE)
    assert "pool 'reference-eval': 0 inserted, 10 extended by new references" in capsys.readouterr().out
    changes = {"output": str(folder / "other.parquet"), "sampling": {"seed": 7}, "pool": pool}
    with pytest.raises(Failure, match=r"give the reference another name, or fill a new pool"):
        evaluate(evaluation(folder, model, name="weak", **changes), WHOLE)


def test_without_a_terminal_a_line_tells_how_far_it_is(
    config: ReferenceEvaluation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("services.reference_eval.pace.silence", lambda _: 0.0)
    evaluate(config, WHOLE)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("measuring tiny: ")]
    assert [line.split(",")[0] for line in lines] == [f"measuring tiny: {done} of 10" for done in (4, 8, 10)]
    assert all(line.endswith(" left") for line in lines)
