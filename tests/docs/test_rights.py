"""The rights that documents tell operators to give are those that tests run with."""

from __future__ import annotations

from pathlib import Path

from tests.servers import LEAST, LEAST_OF_SENTINELS

HOW_TO = Path(__file__).parents[2] / "docs/how-to"


def test_the_least_rights_are_written_down_as_they_are_tested() -> None:
    assert LEAST in " ".join((HOW_TO / "security.md").read_text().split())
    assert f">PASSWORD {LEAST_OF_SENTINELS} " in (HOW_TO / "redis-cluster.md").read_text()
