import pytest
from redis.crc import key_slot

from selector_api.store.keys import pool_keys, run_keys


@pytest.mark.parametrize("name", ["run", "with {braces}", "a}b", "{", "ünïcode"])
def test_all_keys_of_one_run_or_pool_live_on_one_node_of_a_cluster(name: str) -> None:
    for keys in (run_keys(name), pool_keys(name)):
        assert len({key_slot(key.encode()) for key in keys}) == 1
        assert len(set(keys)) == len(keys)


def test_names_of_runs_and_pools_do_not_collide() -> None:
    keys = [key for name in ("a", "a:log", "a}", "a}:log") for key in (*run_keys(name), *pool_keys(name))]
    assert len(set(keys)) == len(keys)
