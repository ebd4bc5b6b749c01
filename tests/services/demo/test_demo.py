from pathlib import Path

import pytest
import torch
from rich.console import Console

from services.demo.__main__ import compare
from services.demo.setting import Setting

TINY = Setting(
    steps=2,
    pool_size=4,
    held_out_size=2,
    validation_size=2,
    example_size=20,
    weak_accuracy=-3,
    start_accuracy=-2,
    strong_accuracy=-1,
    reference_samples=2,
    prompts=2,
    rollouts=2,
    evaluate_every=1,
    evaluation_samples=1,
)


@pytest.mark.timeout(300)
def test_both_arms_train_through_the_service(service_url: str, tmp_path: Path):
    torch.set_num_threads(1)
    records = compare(TINY, service_url, tmp_path, Console(quiet=True))
    for record in records.values():
        assert [step.step for step in record.steps] == [1, 2]
        assert [seen.step for seen in record.evaluations] == [0, 1, 2]
    assert records["random"].evaluations[0].accuracy == records["BOTS"].evaluations[0].accuracy
