"""What Trinity-RFT's reader and pipeline ask of the selector and the operator, asked of them directly."""

# The framework's packages are in another environment.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from trinity.buffer.operators import EXPERIENCE_OPERATORS
from trinity.buffer.selector import SELECTORS
from trinity.common.config import DataSelectorConfig
from trinity.common.constants import SELECTOR_METRIC
from trinity.common.experience import EID, Experience

from trainer_client import FakeSelector, SelectorClient

FAKE = FakeSelector.with_run("run", [str(row) for row in range(8)])


def selector(**kwargs: Any) -> Any:
    kind = "trainer_client.integrations.trinity.ServiceSelector"
    given = {"url": "http://selector", "run": "run", "transport": FAKE.transport} | kwargs
    data = SimpleNamespace(dataset={"number": list(range(8))}, dataset_size=8)
    made = SELECTORS.get(kind)(data, DataSelectorConfig(selector_type=kind, kwargs=given))
    made.load_state_dict({"current_index": 0})  # as the scheduler does at every start
    return made


def experience(row: int, run: int, reward: float, step: int = 0, batch: int = 1) -> Experience:
    index = {"taskset_id": 0, "index": row}
    eid = EID(batch=batch, task=row, run=run, step=step)
    return Experience(
        eid=eid, tokens=[1, 2], prompt_length=1, logprobs=[0.0], reward=reward, info={"task_index": index}
    )


def rows_without_a_column_are_their_numbers() -> None:
    rows = selector().get_indices(3)
    assert sorted(set(rows) & set(range(8))) == sorted(rows)
    assert selector(column="number").get_indices(3, return_extra_info=True) == (rows, {})


def each_rollout_has_the_reward_of_its_last_step() -> None:
    operator = EXPERIENCE_OPERATORS.get("trainer_client.integrations.trinity.GroupRewards")()
    seen = [
        experience(3, 0, 1.0, step=1),
        experience(3, 0, 0.0),
        experience(3, 1, 0.0),
        experience(5, 0, 0.5),
    ]
    same, metrics = operator.process(seen)
    assert same == seen
    assert metrics["selection/valid_ratio"] == 1.0
    assert {name: told["indices"] for name, told in metrics[SELECTOR_METRIC].items()} == {0: [3, 5]}
    assert [sorted(rewards) for rewards in metrics[SELECTOR_METRIC][0]["values"]] == [[0.0, 1.0], [0.5]]


def means_are_refused() -> None:
    message = ""
    try:
        selector().feedback([0], [0.5])
    except ValueError as error:
        message = str(error)
    assert "use the operator trainer_client.integrations.trinity.GroupRewards" in message


def a_task_of_two_batches_counts_for_each() -> None:
    """Trinity tells of batch by batch; two that are read before the first is told have the same tasks."""
    fake = FakeSelector.with_run("run", [str(row) for row in range(8)])
    client = SelectorClient("http://selector", "run", transport=fake.transport)
    client.patch_run(share_leased=True)
    operator = EXPERIENCE_OPERATORS.get("trainer_client.integrations.trinity.GroupRewards")()
    reader = selector(transport=fake.transport)
    for batch, rows in enumerate([reader.get_indices(8), reader.get_indices(8)]):
        rewards = [(row, run, float(run < batch)) for row in rows for run in range(4)]
        seen = [experience(row, run, reward, batch=batch) for row, run, reward in rewards]
        reader.feedback(**operator.process(seen)[1][SELECTOR_METRIC][0])
    assert [(row.successes, row.trials) for row in client.posteriors()] == [(1.0, 8)] * 8
    assert client.run_status().selections.committed == 2


if __name__ == "__main__":
    rows_without_a_column_are_their_numbers()
    each_rollout_has_the_reward_of_its_last_step()
    means_are_refused()
    a_task_of_two_batches_counts_for_each()
