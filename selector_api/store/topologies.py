"""Which server holds a key: in a cluster, as its nodes tell; behind sentinels, what they call the master."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# redis-py's own types are partial.

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AuthenticationError, ClusterDownError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from selector_api.store.redis_url import Address

ClientOf: TypeAlias = Callable[[Address], Redis]

_ANSWER_SECONDS = 1.0
"""How long one node is asked where the keys are, before the next is."""


class Topology(Protocol):
    """Where keys are, as far as is known. Servers are asked when it is first needed, and on `refresh`."""

    @property
    def is_known(self) -> bool:
        """Whether any server has told."""
        ...

    def holder(self, key: str | bytes) -> Address:
        """The server that takes writes to a key.

        Raises:
            ClusterDownError: none does.
        """
        ...

    def holders(self) -> list[Address]:
        """All servers that take writes."""
        ...

    def client(self, address: Address) -> Redis:
        """The client of a server."""
        ...

    def moved(self, key: str | bytes, address: Address) -> None:
        """Believe a server which says that this key is there now."""
        ...

    async def refresh(self) -> None:
        """Ask anew where keys are.

        Raises:
            RedisError: nobody tells.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class _Clients:
    """A client for each server that was ever heard of."""

    def __init__(self, client_of: ClientOf) -> None:
        self._client_of = client_of
        self._clients: dict[Address, Redis] = {}

    def client(self, address: Address) -> Redis:
        """The client of a server."""
        if address not in self._clients:
            self._clients[address] = self._client_of(address)
        return self._clients[address]

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


class ClusterSlots(_Clients):
    """The slots of a Redis Cluster, by their masters."""

    def __init__(self, seeds: Sequence[Address], client_of: ClientOf) -> None:
        """Nothing is known yet; the `seeds` are asked first."""
        super().__init__(client_of)
        self._seeds = seeds
        self._masters: list[Address | None] = []

    @property
    def is_known(self) -> bool:
        """Whether any node has told."""
        return bool(self._masters)

    def holder(self, key: str | bytes) -> Address:
        """The master of a key's slot; raises ClusterDownError if it has none."""
        slot = key_slot(key if isinstance(key, bytes) else key.encode())
        master = self._masters[slot]
        if master is None:
            raise ClusterDownError(f"no node of the cluster serves slot {slot}")
        return master

    def holders(self) -> list[Address]:
        """All masters that have slots."""
        return list(dict.fromkeys(master for master in self._masters if master is not None))

    def moved(self, key: str | bytes, address: Address) -> None:
        """Believe a node which says that this key is there now."""
        self._masters[key_slot(key if isinstance(key, bytes) else key.encode())] = address

    async def refresh(self) -> None:
        """Ask the nodes that are known, in any order, until one answers: those cut off may tell what is past."""
        nodes = list({*self._seeds, *self._clients})
        random.shuffle(nodes)
        errors: dict[Address, Exception] = {}
        for node in nodes:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    rows = await self.client(node).execute_command("CLUSTER", "SLOTS")
            except AuthenticationError:
                raise
            except (RedisError, OSError, TimeoutError) as error:
                errors[node] = error
                continue
            self._masters = _masters(cast("Sequence[Any]", rows), node)
            return
        raise _nobody_tells("no node of the cluster tells where keys are", errors)


def _nobody_tells(what: str, errors: Mapping[Address, Exception]) -> RedisConnectionError:
    said = "; ".join(f"{address}: {str(error) or 'it does not answer'}" for address, error in errors.items())
    told = RedisConnectionError(f"{what} ({said})")
    told.__cause__ = next(iter(errors.values()), None)
    return told


def _masters(rows: Sequence[Any], asked: Address) -> list[Address | None]:
    masters: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, (host, port, *_), *_replicas in rows:
        name = host.decode() if host else asked.host  # none: as whoever asks knows it
        if name != "?":
            masters[first : last + 1] = [Address(name, port)] * (last + 1 - first)
    return masters


class SentinelMaster(_Clients):
    """The server that sentinels call the master of this name."""

    def __init__(self, name: str, sentinels: Mapping[Address, Redis], client_of: ClientOf) -> None:
        """Nothing is known yet."""
        super().__init__(client_of)
        self._name = name
        self._sentinels = sentinels
        self._master: Address | None = None

    @property
    def is_known(self) -> bool:
        """Whether any sentinel has told."""
        return self._master is not None

    def holder(self, key: str | bytes) -> Address:
        """The master."""
        if self._master is None:
            raise ClusterDownError("the sentinels know no master")
        return self._master

    def holders(self) -> list[Address]:
        """The master alone."""
        return [] if self._master is None else [self._master]

    def moved(self, key: str | bytes, address: Address) -> None:
        """Nothing: here no server sends callers elsewhere."""

    def client(self, address: Address) -> Redis:
        """The client of a server, each of whose connections is made only while the server is the master.

        A former master that is started again takes writes until sentinels make it a Redis replica, and loses them
        then.
        """
        if address not in self._clients:

            async def connected(connection: Any) -> None:
                await connection.on_connect()
                master = await self._named()
                if master != address:
                    raise RedisConnectionError(f"{address} is not the master of {self._name!r}: {master} is")

            pool = super().client(address).connection_pool
            pool.connection_kwargs["redis_connect_func"] = connected
        return self._clients[address]

    async def refresh(self) -> None:
        """Ask the sentinels, and the server itself: it may not have heard yet that it is the master now."""
        address = await self._named()
        async with asyncio.timeout(_ANSWER_SECONDS):
            replication = await self.client(address).info("replication")
        if replication["role"] != "master":
            raise ReadOnlyError(f"{address} is to become the master of {self._name!r} and is not yet")
        self._master = address

    async def _named(self) -> Address:
        """What the sentinels call the master.

        All are asked, and the newest word counts: one that was cut off may still name the former master, which
        takes writes again once it is back, until it hears that it is a Redis replica.
        """
        told = dict(
            zip(self._sentinels, await asyncio.gather(*map(self._ask, self._sentinels.values())), strict=True)
        )
        known = [each for each in told.values() if not isinstance(each, Exception)]
        if not known:
            errors = {address: each for address, each in told.items() if isinstance(each, Exception)}
            raise _nobody_tells(f"no sentinel tells where {self._name!r} is", errors)
        newest = max(known, key=lambda each: int(each["config-epoch"]))
        return Address(newest["ip"], newest["port"])

    async def _ask(self, sentinel: Redis) -> dict[str, Any] | Exception:
        """What a sentinel knows of the master."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return cast("dict[str, Any]", await sentinel.sentinel_master(self._name))
        except (RedisError, OSError, TimeoutError) as error:
            return error

    async def aclose(self) -> None:
        """Close all connections."""
        for sentinel in self._sentinels.values():
            await sentinel.aclose()
        await super().aclose()
