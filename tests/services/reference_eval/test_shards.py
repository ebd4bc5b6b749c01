from __future__ import annotations

import pytest

from services.command_line.failures import Failure
from services.reference_eval.shards import Shard


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    monkeypatch.delenv("JOB_COMPLETIONS", raising=False)


def test_every_item_is_in_one_shard():
    parts = [Shard.parsed(f"{index}/3").of(range(10)) for index in range(3)]
    assert sorted(item for part in parts for item in part) == list(range(10))


@pytest.mark.parametrize("text", ["3/3", "0/0", "1", "-1/3", "a/b", "1/2/3"])
def test_what_is_no_shard_is_refused(text: str):
    with pytest.raises(Failure, match=f"--shard: got '{text}'"):
        Shard.parsed(text)


def test_elsewhere_than_in_an_indexed_job_there_is_one_shard():
    assert Shard.from_environment() == Shard(0, 1)


def test_the_pod_of_an_indexed_job_has_the_shard_of_its_index(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    monkeypatch.setenv("JOB_COMPLETIONS", "8")
    assert Shard.from_environment() == Shard(2, 8)


def test_an_index_without_the_number_of_completions_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    with pytest.raises(Failure, match="JOB_COMPLETIONS is not set"):
        Shard.from_environment()
