"""Addresses of Redis, as settings give them."""

from __future__ import annotations

import pytest

from selector_api.store.connection import connect
from selector_api.store.errors import UnusableUrl
from selector_api.store.redis_url import Address, RedisUrl


@pytest.mark.parametrize(
    "url", ["redis://user:p@host:6379/2?protocol=3", "rediss://host", "unix:///a/socket"]
)
def test_a_single_server_is_left_as_it_is(url: str) -> None:
    assert RedisUrl.parse(url) == RedisUrl("server", url)


def test_a_cluster_has_nodes() -> None:
    parsed = RedisUrl.parse(
        "rediss+cluster://user:p%40ss@a.example:7000,b.example,[::1]:7002?ssl_ca_certs=%2Fca.pem"
    )
    assert parsed.kind == "cluster"
    assert parsed.addresses == (Address("a.example", 7000), Address("b.example", 6379), Address("::1", 7002))
    urls = [parsed.server(address) for address in parsed.addresses]
    assert urls == [
        "rediss://user:p%40ss@a.example:7000?ssl_ca_certs=%2Fca.pem",
        "rediss://user:p%40ss@b.example:6379?ssl_ca_certs=%2Fca.pem",
        "rediss://user:p%40ss@[::1]:7002?ssl_ca_certs=%2Fca.pem",
    ]
    assert RedisUrl.parse("redis+cluster://a/0").server(Address("b", 1)) == "redis://b:1"


def test_sentinels_have_users_of_their_own() -> None:
    parsed = RedisUrl.parse(
        "rediss+sentinel://user:p@a,b:1/my%20master?db=2&ssl_ca_certs=/ca&sentinel_username=s&sentinel_password=%26"
    )
    assert (parsed.kind, parsed.master) == ("sentinel", "my master")
    assert parsed.addresses == (Address("a", 26379), Address("b", 1))
    assert parsed.server(Address("c", 6379)) == "rediss://user:p@c:6379?db=2&ssl_ca_certs=%2Fca"
    sentinel = parsed.sentinel(parsed.addresses[1])
    assert sentinel == "rediss://b:1?ssl_ca_certs=%2Fca&username=s&password=%26"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://", "give redis://"),
        ("redis+cluster:a", "give redis://"),
        ("redis+cluster://a,,b", "give redis://"),
        ("redis+cluster://a:port", "give redis://"),
        ("redis+cluster://a:70000", "give redis://"),
        ("http+cluster://a", "give redis://"),
        ("redis+other://a", "give redis://"),
        ("redis+cluster://user:secret@a/1", "one database"),
        ("redis+cluster://user:secret@a?db=1", "one database"),
        ("redis+cluster://user:secret@a?sentinel_password=x", "no sentinels"),
        ("redis+sentinel://user:secret@a", "name the server"),
        ("redis+sentinel://user:secret@a/", "name the server"),
        ("redis+sentinel://user:secret@a/b/c", "name the server"),
        ("redis+sentinel://user:secret@a/b?no_such_option=1", "no_such_option"),
        ("redis+cluster://user:secret@a?no_such_option=1", "no_such_option"),
    ],
)
def test_what_is_wrong_is_said_and_not_shown(url: str, words: str) -> None:
    with pytest.raises(UnusableUrl, match=words) as caught:
        connect(url)
    assert "secret" not in str(caught.value)
