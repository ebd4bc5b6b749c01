from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from selector_api.store import tokens as tokens_module
from selector_api.store.connection import StoreClient, connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable, TokenConflict
from selector_api.store.keys import TOKENS
from selector_api.store.tokens import Token, Tokens

pytestmark = pytest.mark.anyio


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_token_is_known_by_itself_and_kept_only_as_a_hash(redis: StoreClient) -> None:
    text = await Tokens(redis).create("trainer", ["train"])
    token = await Tokens(redis).lookup(text)
    assert token is not None
    assert (token.name, token.scopes) == ("trainer", frozenset({"train"}))
    assert text.startswith("bots_")
    assert all(text.encode() not in part for pair in (await redis.read_hash(TOKENS)).items() for part in pair)
    assert await Tokens(redis).lookup(text + "x") is None


@pytest.mark.parametrize(
    ("runs", "run", "is_for_it"),
    [
        (["a"], "a", True),
        (["a"], "ab", False),
        (["a*"], "ab", True),
        (["a*"], "ba", False),
        (["x", "a*"], "a", True),
        (["*"], "anything", True),
        ([], "a", False),
    ],
)
async def test_a_token_may_be_limited_by_name_and_by_beginning(
    redis: StoreClient, runs: list[str], run: str, is_for_it: bool
) -> None:
    text = await Tokens(redis).create("trainer", ["train"], runs=runs)
    token = await Tokens(redis).lookup(text)
    assert token is not None
    assert token.is_for_run(run) == is_for_it
    assert token.is_limited == (runs != ["*"])
    assert token.is_for_pool(run)


async def test_a_look_up_reads_one_record_however_many_there_are(
    redis: StoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await Tokens(redis).create("mine", ["read"])
    record = (await redis.read_hash(TOKENS)).popitem()[1]
    await redis.hset(TOKENS, mapping={f"{number:064x}": record for number in range(1000)})
    tokens, read = Tokens(redis), 0
    make = tokens_module._token

    def counted(record: Mapping[str, Any]) -> Token:
        nonlocal read
        read += 1
        return make(record)

    monkeypatch.setattr(tokens_module, "_token", counted)
    for _ in range(10):
        assert await tokens.lookup(text) is not None
        assert await tokens.lookup("bots_other") is None
    assert read == 1


async def test_names_are_unique_and_listed_in_order(redis: StoreClient) -> None:
    tokens = Tokens(redis)
    for name in ("b", "a"):
        await tokens.create(name, ["read"])
    with pytest.raises(TokenConflict):
        await tokens.create("a", ["admin"])
    assert [token.name for token in await tokens.list()] == ["a", "b"]


async def test_tokens_from_elsewhere_take_the_place_of_those_of_their_name(redis: StoreClient) -> None:
    tokens = Tokens(redis)
    first = await tokens.create("a", ["read"])
    other = await tokens.create("b", ["read"])
    for _ in range(2):
        await tokens.put("a", ["admin"], ["mounted", "previous"])
    for text in ("mounted", "previous"):
        found = await tokens.lookup(text)
        assert found is not None
        assert (found.name, found.scopes) == ("a", frozenset({"admin"}))
    assert await tokens.lookup(first) is None
    assert await tokens.lookup(other) is not None
    assert [token.name for token in await tokens.list()] == ["a", "a", "b"]
    await tokens.put("a", ["admin"], ["mounted"])
    assert await tokens.lookup("mounted") is not None
    assert await tokens.lookup("previous") is None


async def test_a_token_has_one_name(redis: StoreClient) -> None:
    tokens = Tokens(redis)
    await tokens.put("a", ["read"], ["mounted"])
    with pytest.raises(TokenConflict):
        await tokens.put("b", ["admin"], ["new", "mounted"])
    assert await tokens.lookup("new") is None
    await tokens.put("a", ["train"], ["mounted"])
    found = await tokens.lookup("mounted")
    assert found is not None
    assert found.scopes == {"train"}


async def test_a_deleted_token_is_refused_by_other_processes_after_five_seconds(redis: StoreClient) -> None:
    clock = Clock()
    mine, others = Tokens(redis), Tokens(redis, clock)
    text = await mine.create("a", ["read"])
    assert await others.lookup(text) is not None
    assert await mine.delete("a")
    assert not await mine.delete("a")
    assert await mine.lookup(text) is None
    clock.now = 5.1
    assert await others.lookup(text) is None


async def test_a_new_token_is_taken_by_other_processes_within_half_a_second(redis: StoreClient) -> None:
    clock = Clock()
    others = Tokens(redis, clock)
    assert await others.lookup("bots_unknown") is None
    text = await Tokens(redis).create("a", ["read"])
    assert await others.lookup(text) is None
    clock.now = 0.6
    assert await others.lookup(text) is not None


async def test_what_was_known_stands_while_redis_is_away(tmp_path: Path) -> None:
    clock = Clock()
    async with EmbeddedValkey(tmp_path) as valkey:
        redis = connect(valkey.url)
        tokens = Tokens(redis, clock)
        text = await tokens.create("a", ["read"])
        assert await tokens.any()
    clock.now = 10.0
    assert await tokens.any()
    assert await tokens.lookup(text) is not None
    assert await tokens.lookup(text + "x") is None
    with pytest.raises(StoreUnavailable):
        await Tokens(redis).any()
    await redis.aclose()
