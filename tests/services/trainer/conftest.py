from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.tiny import save_tasks, save_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with the model, 20 tasks to train on and 6 others."""
    (tmp_path / "model").symlink_to(tiny_model)
    save_tasks(tmp_path / "tasks.jsonl")
    save_tasks(tmp_path / "held-out.jsonl", count=6, first=100)
    return tmp_path
