from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.services.reference_eval.settings import save_tasks
from tests.services.tiny import save_tiny_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tasks(tmp_path / "tasks.jsonl")
    return tmp_path
