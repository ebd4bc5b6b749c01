from pathlib import Path

import pytest
from rich.console import Console

from services.demo.prepare import Setting, prepare

TINY = Setting(
    pool_size=2,
    held_out_size=1,
    validation_size=2,
    example_size=20,
    weak_accuracy=-3,
    start_accuracy=-2,
    strong_accuracy=-1,
    reference_samples=2,
)


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo prepares, of a few tasks and a model that was hardly taught."""
    folder = tmp_path_factory.mktemp("demo") / "materials"
    prepare(folder, TINY, Console(quiet=True))
    return folder
