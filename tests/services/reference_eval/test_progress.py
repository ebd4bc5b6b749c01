from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.command_line.failures import Failure
from services.reference_eval.progress import Progress, measured_by
from services.reference_eval.shards import Shard
from tests.services.reference_eval.settings import evaluation, save_tasks

MEASURED = {"sampling": {"samples": 16, "seed": 0}}
WHOLE = Shard(0, 1)

HOLD = """
import sys
from pathlib import Path
from services.reference_eval.progress import Progress
from services.reference_eval.shards import Shard
with Progress(Path(sys.argv[1]), {}, Shard(0, 1)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_any_shard_measured_is_finished(tmp_path: Path):
    for shard, task in ((Shard(0, 2), "one"), (Shard(1, 2), "two"), (Shard(2, 3), "three")):
        with Progress(tmp_path, MEASURED, shard) as progress:
            progress.add({task: 0.25})
    assert Progress(tmp_path, MEASURED, WHOLE).finished() == {"one": 0.25, "two": 0.25, "three": 0.25}


@pytest.mark.parametrize("torn", ['{"task": "b", "pass_ra', '{"task": "b", "pass_rate": 0.5}'])
def test_a_line_without_its_end_is_dropped(tmp_path: Path, torn: str):
    with Progress(tmp_path, MEASURED, WHOLE) as progress:
        progress.add({"a": 1.0})
    with (tmp_path / "0-of-1.jsonl").open("a") as file:
        file.write(torn)
    with Progress(tmp_path, MEASURED, WHOLE) as progress:
        assert progress.finished() == {"a": 1.0}
        progress.add({"b": 0.0})
        assert progress.finished() == {"a": 1.0, "b": 0.0}


def test_a_torn_first_line_is_written_again(tmp_path: Path):
    (tmp_path / "0-of-1.jsonl").write_text('{"sampl')
    with Progress(tmp_path, MEASURED, WHOLE) as progress:
        progress.add({"a": 1.0})
    assert Progress(tmp_path, MEASURED, WHOLE).finished() == {"a": 1.0}


def test_a_damaged_line_is_named(tmp_path: Path):
    with Progress(tmp_path, MEASURED, WHOLE) as progress:
        progress.add({"a": 1.0})
    with (tmp_path / "0-of-1.jsonl").open("a") as file:
        file.write("damage\n")
    with pytest.raises(Failure, match=r"0-of-1\.jsonl, line 3: damaged"):
        progress.finished()


def test_other_measurements_are_refused_by_what_differs_and_stay(tmp_path: Path):
    with Progress(tmp_path, MEASURED, WHOLE) as progress:
        progress.add({"a": 1.0})
    other = {"sampling": {"samples": 8, "seed": 0}}
    for shard in (WHOLE, Shard(0, 2)):
        with pytest.raises(Failure, match=r"sampling\.samples: was 16, is 8") as refusal:
            Progress(tmp_path, other, shard).__enter__()
        assert "seed" not in str(refusal.value)
    with Progress(tmp_path, MEASURED, Shard(0, 2)) as progress:
        assert progress.finished() == {"a": 1.0}


def test_one_process_a_shard(tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Failure, match="another process is measuring this shard"):
        Progress(tmp_path, {}, WHOLE).__enter__()
    with Progress(tmp_path, {}, Shard(1, 2)):
        pass
    holder.communicate()
    with Progress(tmp_path, {}, WHOLE):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling": {"seed": 1}},
        {"model": {"path": "another"}},
        {"reward": {"function": "tests.services.tiny:passes"}},
        {"tasks": {"system_prompt": "Answer."}},
    ],
)
def test_a_pass_rate_depends_on_model_sampling_reward_and_prompts(folder: Path, changes: dict[str, object]):
    assert measured_by(evaluation(folder, folder, **changes)) != measured_by(evaluation(folder, folder))


def test_a_pass_rate_depends_on_the_tasks(folder: Path):
    before = measured_by(evaluation(folder, folder))
    save_tasks(folder / "tasks.jsonl", size=11)
    assert measured_by(evaluation(folder, folder)) != before


@pytest.mark.parametrize(
    "changes",
    [{"engine": {"batch": 1}}, {"name": "other"}, {"tasks": {"limit": 3}}, {"column": "other"}],
)
def test_a_pass_rate_does_not_depend_on_how_and_how_many_are_measured(
    folder: Path, changes: dict[str, object]
):
    assert measured_by(evaluation(folder, folder, **changes)) == measured_by(evaluation(folder, folder))
