"""The names of all keys in Redis, and nothing else knows them.

The keys of one run share a hash tag, and so do those of one pool: each set lives on one node of a cluster,
where a script can change it atomically.
"""

from __future__ import annotations

from typing import NamedTuple


class RunKeys(NamedTuple):
    """The keys of a run, in the order in which every script of a run takes them."""

    meta: str
    """Hash: incarnation, pool, pool_incarnation, config (JSON), commit ("selection", or the number of outcomes that
    a commit waits for), tasks, step, version, retirements ("<number of the pool's entries followed>:<SHA-1 of
    these>"), changes of what is drawn, "reports:<outbox>" (which of a client's reports were taken, see
    outbox.lua), copied (events behind the first that are a parent's), forked (selections among these), packed
    (events in segments), dropped (those of them that are elsewhere alone), began (then the first event),
    forgotten (selections that are no more in `selections`)."""
    log: str
    """List of events (JSON), those behind the segments; an event's seq is its position in both, from 1."""
    leases: str
    """Sorted set: open selection -> unix ms at which its lease ends."""
    selections: str
    """Hash: selection -> "<seq of its event>:<status>:<tasks known>:<outcomes entered>:<dropped>:<seqs>", the seqs
    being those of the events that hold its outcomes and drops. Up to 0.2 the last three were missing."""
    outcomes: str
    """Hash: "<selection>:<task>" -> the outcome (see `codec.Outcome`) while it waits for its commit."""
    idempotency: str
    """Hash: idempotency field (see below) -> selection, or for a report the outcome. Up to 0.2 that was ""."""
    snapshot: str
    """Hash: incarnation, seq, digest (SHA-1 of the event with that seq) and data of the newest snapshot."""
    pending: str
    """List: what waits for a commit of so many outcomes, in the order of arrival, see `pending_entry`."""
    segments: str
    """List: the log's first events, packed (see `segments`), or what is left of those that are elsewhere alone."""
    forgotten: str
    """Hash: the first byte of a SHA-1 (hex) -> the next six bytes of that of each selection and idempotency field
    that was forgotten."""


class PoolKeys(NamedTuple):
    """The keys of a pool, in the order in which every script of a pool takes them."""

    meta: str
    """Hash: incarnation, tasks, registrations (how many there were), last ("<number of chunks>:<SHA-1 of the
    last>")."""
    tasks: str
    """List of chunks: of tasks that joined, or of references that were measured of tasks that are there."""
    runs: str
    """Hash: run that draws from the pool -> token of its registration."""
    retirements: str
    """List of what was retired and restored, in order: {"excluded" | "included": [ids]}."""


def run_keys(run: str) -> RunKeys:
    """The keys of this run."""
    tagged = f"bots:{{run:{run}}}"
    return RunKeys(
        meta=tagged,
        log=f"{tagged}:log",
        leases=f"{tagged}:leases",
        selections=f"{tagged}:selections",
        outcomes=f"{tagged}:outcomes",
        idempotency=f"{tagged}:keys",
        snapshot=f"{tagged}:snapshot",
        pending=f"{tagged}:pending",
        segments=f"{tagged}:segments",
        forgotten=f"{tagged}:forgotten",
    )


def forking_key(run: str, nonce: str) -> str:
    """Where the log of a fork is written until the run is made."""
    return f"{run_keys(run).meta}:forking:{nonce}"


def pool_keys(pool: str) -> PoolKeys:
    """The keys of this pool."""
    tagged = f"bots:{{pool:{pool}}}"
    return PoolKeys(
        meta=tagged, tasks=f"{tagged}:tasks", runs=f"{tagged}:runs", retirements=f"{tagged}:retirements"
    )


RUN_NAMES, POOL_NAMES = "bots:runs", "bots:pools"
"""Sorted sets without scores: the names of all runs and pools, for lists. A name may be there that is no more."""
NAMED = "bots:named"
"""Is there once the names of what releases before 0.3 made have been gathered, which kept none."""
RUN_METAS, POOL_METAS = "bots:{run:*}", "bots:{pool:*}"
"""Patterns of the keys `meta`, for that gathering."""


def name_of(meta: bytes) -> str:
    """The run or pool whose key `meta` this is."""
    return meta.decode().partition(":")[2].partition(":")[2].removesuffix("}")


TOKENS = "bots:tokens"
"""Hash: SHA-256 of a bearer token (hex) -> what it is (JSON)."""


def select_field(key: str) -> str:
    """The idempotency field of a caller's key for a selection."""
    return f"select:{key}"


def report_field(key: str, task: str, evaluation: bool = False) -> str:
    """The idempotency field of a task in reports without a selection, or in evaluations, under the caller's key.

    A step's training and its evaluation may have the same key: neither stands for the other.
    """
    return f"{'evaluation' if evaluation else 'report'}:{len(key)}:{key}:{task}"
