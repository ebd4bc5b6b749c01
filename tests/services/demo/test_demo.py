from pathlib import Path

import pytest
import yaml

from services.command_line.configuration import load_mapping
from services.experiment.runner import run_experiment
from services.experiment.trainings import load_experiment

DEMO = Path(__file__).parents[3] / "services" / "demo"


@pytest.mark.timeout(300)
def test_both_policies_train_through_the_service(materials: Path, tmp_path: Path):
    trainer = {
        "extends": str(DEMO / "trainer.yaml"),
        "model": {"path": str(materials / "start")},
        "tasks": {"file": str(materials / "pool.parquet")},
        "training": {"steps": 2, "prompts": 2, "rollouts": 2, "device_batch": 4},
        "evaluation": {"tasks": {"file": str(materials / "held-out.jsonl")}, "every": 1, "samples": 1},
    }
    (tmp_path / "trainer.yaml").write_text(yaml.safe_dump(trainer))
    demo = load_mapping(DEMO / "demo.yaml") | {"output": str(tmp_path / "experiment")}
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(demo))
    run_experiment(file)
    _, trainings = load_experiment(file)
    records = [training.records() for training in trainings]
    for record in records:
        assert [step.step for step in record.steps] == [1, 2]
        assert [seen.step for seen in record.evaluations] == [0, 1, 2]
    assert records[0].evaluations[0].accuracy == records[1].evaluations[0].accuracy
