"""The service beside the estimator and the selector of Trinity-RFT 0.6.0, its real classes, on the same batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integrations.frameworks import Framework
from trainer_client import Outcome, SelectorClient, Task

RUN = "beside-trinity"


def test_the_same_batches_leave_the_same_posteriors_and_make_the_same_choice(
    service_url: str, tmp_path: Path
):
    """α, β and μ within 1e-12 after each of eighty batches, and each batch is the one that the service draws."""
    with Framework("trinity").start("trinity_estimator", tmp_path / "theirs", log=tmp_path / "log") as script:
        script.end()
    theirs = json.loads((tmp_path / "theirs").read_text())
    posterior = {
        "type": "bots",
        "prior": [1, 1],
        "forgetting": 0.1,
        "implicit_weight": 0.1,
        "rollouts": theirs["rollouts"],
        "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong", "smoothing": 0.9},
    }
    policy = {"type": "posterior-mean", "target": 0.5, "temperature": 0}
    pairs = enumerate(zip(theirs["weak"], theirs["strong"], strict=True))
    tasks = [Task(id=str(row), references={"weak": weak, "strong": strong}) for row, (weak, strong) in pairs]
    with SelectorClient(service_url, RUN) as client:
        client.create_pool(RUN)
        client.add_tasks(RUN, tasks)
        client.create_run(RUN, RUN, posterior=posterior, policy=policy)
        for number, batch in enumerate(theirs["batches"]):
            selection = client.select(len(batch["rows"]), key=f"step-{number}.0")
            seen = dict(zip(map(str, batch["rows"]), batch["passes"], strict=True))
            if (
                number == 0
            ):  # All tasks have one posterior still: which of them come first is anyone's choice.
                client.release(selection)
                client.report_unsolicited("0", outcomes(seen, theirs["rollouts"]))
            else:
                assert set(selection.tasks) == seen.keys(), f"batch {number}"
                client.report(selection, outcomes(seen, theirs["rollouts"]))
            rows = list(client.posteriors())
            for name in ("alpha", "beta"):
                ours = [row.parameters[name] for row in rows]
                assert ours == pytest.approx(batch[name], rel=1e-12, abs=0), f"{name} after batch {number}"
            (capability,) = client.run_status().capability.values()
            assert capability == pytest.approx(batch["capability"], rel=1e-12, abs=0)


def outcomes(passes: dict[str, int], rollouts: int) -> list[Outcome]:
    return [Outcome(task=task, successes=count, trials=rollouts) for task, count in passes.items()]
