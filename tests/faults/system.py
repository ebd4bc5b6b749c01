"""Two services over a Redis with a replica, all real processes, behind a network that fails."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.proxy import FAULTS, Fault, FaultProxy
from tests.service import Service
from tests.valkeys import Valkey

SMALLEST_LOSS, LARGEST_LOSS = 0.05, 0.5
"""Seconds of acknowledged writes that a failover loses."""
STOPPED_SECONDS = 0.4


class System:
    """The processes, and the faults that one can inject; `injected` counts those by kind."""

    def __init__(self, folder: Path) -> None:
        self._rng = random.Random(0)
        self.folder = folder
        self.primary, self.replica = Valkey(folder / "one"), Valkey(folder / "two")
        self._redis = FaultProxy(lambda: self.primary.port)
        self._http = FaultProxy(lambda: self._rng.choice(self.services).port)
        self.services: list[Service] = []
        self.injected: Counter[str] = Counter()
        self.history: list[str] = []
        self._began = 0.0

    @property
    def url(self) -> str:
        """Where workers call."""
        return f"http://127.0.0.1:{self._http.port}"

    @contextmanager
    def running(self) -> Iterator[System]:
        """The processes, as long as the block runs."""
        with ExitStack() as stack:
            stack.enter_context(self.primary)
            stack.enter_context(self.replica)
            self.replica.follow(self.primary)
            stack.enter_context(self._redis.running())
            url = f"redis://127.0.0.1:{self._redis.port}/0"
            for name in ("a", "b"):
                service = Service(self.folder / name, url, {"SELECTOR_SNAPSHOT_EVERY": "50"})
                stack.callback(service.kill)
                self.services.append(service)
            with ThreadPoolExecutor() as starting:
                list(starting.map(Service.start, self.services))
            stack.enter_context(self._http.running())
            yield self

    def begin(self, rng: random.Random) -> None:
        """Begin a scenario, with all that was lost, ended or full before mended; `rng` settles its faults."""
        self.primary.until("it has a replica", lambda: self.primary.info()["connected_slaves"] == 1)
        self._rng, self._began = rng, time.monotonic()
        self.injected.clear()
        self.history.clear()

    def inject(self, kind: str) -> None:
        """Inject a fault of this kind, and wait until what it ended runs again."""
        self.history.append(f"{time.monotonic() - self._began:8.3f} {kind}")
        if _KINDS[kind](self):
            self.injected[kind] += 1

    def network(self, proxy: FaultProxy, fault: Fault) -> bool:
        """A fault of one connection."""
        return proxy.inject(fault, self._rng)

    def kill_service(self) -> bool:
        """A service crashes and is started again."""
        service = self._rng.choice(self.services)
        service.kill()
        service.start()
        return True

    def stop_service(self) -> bool:
        """A service stands still for a while."""
        service = self._rng.choice(self.services)
        service.signal(signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        service.signal(signal.SIGCONT)
        return True

    def kill_redis(self) -> bool:
        """The primary crashes and is started again on its data."""
        self.primary.crash()
        self.primary.start()
        return True

    def stop_redis(self) -> bool:
        """The primary stands still for a while."""
        self.primary.signal(signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        self.primary.signal(signal.SIGCONT)
        return True

    def fill_redis(self) -> bool:
        """Redis has no memory left for a while."""
        self.primary.admin.config_set("maxmemory", 1)
        time.sleep(STOPPED_SECONDS)
        self.primary.admin.config_set("maxmemory", 0)
        return True

    def fail_over(self) -> bool:
        """A Redis replica that lags becomes the primary: what the former one acknowledged meanwhile is lost.

        Connections to it survive, and for a moment it takes writes that are lost as well.
        """
        former = self.primary
        former.until("the replica follows", lambda: former.info()["connected_slaves"] == 1)
        self.replica.promote()
        time.sleep(self._rng.uniform(SMALLEST_LOSS, LARGEST_LOSS))
        self.primary, self.replica = self.replica, former
        self.replica.follow(self.primary)
        return True


_KINDS: dict[str, Callable[[System], bool]] = {
    "service killed": System.kill_service,
    "service stopped": System.stop_service,
    "redis killed": System.kill_redis,
    "redis stopped": System.stop_redis,
    "redis full": System.fill_redis,
    "failover": System.fail_over,
} | {
    f"{name}: {fault}": lambda system, attribute=attribute, fault=fault: system.network(
        getattr(system, attribute), fault
    )
    for name, attribute in (("http", "_http"), ("redis", "_redis"))
    for fault in FAULTS
}
NETWORK = tuple(kind for kind in _KINDS if ": " in kind)
PROCESSES = ("service killed", "service stopped", "redis killed", "redis stopped")
