import json
import time
from pathlib import Path
from typing import Any

import pytest

from trainer_client import FakeSelector, Outcome, SelectorClient

from .conftest import Bots


@pytest.fixture
def pool(fake: FakeSelector) -> FakeSelector:
    """A service with a run "r", five of its tasks half solved, over a pool "pool"."""
    fake.__dict__.update(FakeSelector.with_run("r", [f"task-{i}" for i in range(9)]).__dict__)
    return fake


def config(fake: FakeSelector) -> dict[str, Any]:
    """The body of the last request."""
    return json.loads(fake.requests[-1].content)
