"""The address of Redis, as a setting gives it: one server, a cluster, or the sentinels that watch over a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Kind: TypeAlias = Literal["server", "cluster", "sentinel"]

FORMS = (
    "give redis://host:port/0, rediss://…, unix:///absolute/path, redis+cluster://host:port,host:port or "
    "redis+sentinel://host:port,host:port/NAME"
)
_PORTS: Mapping[str, int] = {"cluster": 6379, "sentinel": 26379}
_OF_SENTINELS = "sentinel_"
"""How those options begin that are for the sentinels and not for the server they watch."""
_OF_BOTH = "ssl_"


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class RedisUrl:
    """An address of Redis, taken apart."""

    kind: Kind
    before: str
    """Of each server's URL what stands before its address: scheme and user; all of it for a single server."""
    behind: str = ""
    """Of each server's URL what stands behind its address: options."""
    addresses: tuple[Address, ...] = ()
    """Nodes of the cluster to begin with, or the sentinels."""
    master: str = ""
    """What the sentinels call the server."""
    before_sentinel: str = ""
    behind_sentinel: str = ""
    """The same of a sentinel's URL."""

    def server(self, address: Address) -> str:
        """The URL of one server."""
        return f"{self.before}{address}{self.behind}"

    def sentinel(self, address: Address) -> str:
        """The URL of one sentinel."""
        return f"{self.before_sentinel}{address}{self.behind_sentinel}"

    @classmethod
    def parse(cls, url: str) -> RedisUrl:
        """Take an address apart.

        Raises:
            ValueError: it is one of a cluster or of sentinels, and cannot be read; the text holds nothing of it.
        """
        scheme, separator, rest = url.partition("://")
        transport, _, kind = scheme.partition("+")
        if not kind:
            return cls("server", url)
        if kind not in _PORTS or transport not in ("redis", "rediss") or not separator:
            raise ValueError(FORMS)
        rest, _, query = rest.partition("?")
        rest, _, path = rest.partition("/")
        user, at, hosts = rest.rpartition("@")
        addresses = tuple(_address(text, _PORTS[kind]) for text in hosts.split(","))
        options = parse_qsl(query, keep_blank_values=True)
        own = [pair for pair in options if not pair[0].startswith(_OF_SENTINELS)]
        before, behind = f"{transport}://{user}{at}", _query(own)
        if kind == "cluster":
            if path not in ("", "0") or len(own) < len(options) or any(name == "db" for name, _ in own):
                raise ValueError(
                    "a cluster has one database and no sentinels: give redis+cluster://host:port,host:port"
                )
            return cls("cluster", before, behind, addresses)
        if not path or "/" in path:
            raise ValueError("name the server as the sentinels do: redis+sentinel://host:port,host:port/NAME")
        of_sentinels = [
            (name.removeprefix(_OF_SENTINELS), value)
            for name, value in options
            if name.startswith((_OF_SENTINELS, _OF_BOTH))
        ]
        return cls(
            "sentinel", before, behind, addresses, unquote(path), f"{transport}://", _query(of_sentinels)
        )


def _query(options: list[tuple[str, str]]) -> str:
    return f"?{urlencode(options)}" if options else ""


def _address(text: str, port: int) -> Address:
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname, parts.port or port
    except ValueError:
        host = None
    if not host:
        raise ValueError(FORMS)
    return Address(host, port)
