"""Segments: the first events of a log, packed, so many in each; the rest of the log stays as it is.

A segment's content begins with the SHA-1 of its last event, which scripts read, and how many bytes its lines are.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyarrow's own types are partial.

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from selector_api.store.codec import digest_of
from selector_api.store.connection import StoreClient
from selector_api.store.kept_no_more import EventsDropped
from selector_api.store.keys import run_keys
from selector_api.store.sealing import sealed, unsealed

EVENTS = 500
"""In a segment."""
_FORMAT = b"bots-segment 1\n"
DROPPED = "bots-dropped 1"
"""What a segment begins with, in place of its format, whose events are elsewhere alone; as long as that."""
DIGEST_AT = len(_FORMAT) + 4
"""Bytes before the SHA-1 of a segment's last event (hex)."""
_ZSTD = pa.Codec("zstd", compression_level=15)
"""A segment of selections of 16 is packed in about 30 ms; half of that is a fifth more bytes."""


def packed(events: Sequence[bytes]) -> bytes:
    """A segment of these events."""
    lines = b"\n".join(events)
    content = _ZSTD.compress(lines, asbytes=True)
    return sealed(_FORMAT, digest_of(events[-1]).encode() + len(lines).to_bytes(4) + content)


def unpacked(segment: bytes) -> list[bytes]:
    """The events of a segment.

    Raises:
        UnreadableData: it is damaged, or of a later version.
    """
    _, content = unsealed(segment, [_FORMAT], "segment of a log")
    size = int.from_bytes(content[40:44])
    return _ZSTD.decompress(content[44:], size, asbytes=True).split(b"\n")


def events_behind(segment: bytes, seq: int, digest: str) -> list[bytes] | None:
    """The events of a segment behind that with this seq; None if it has another SHA-1 than this ("": any)."""
    events, known = unpacked(segment), seq % EVENTS
    if digest and known and digest_of(events[known - 1]) != digest:
        return None
    return events[known:]


async def read_events(redis: StoreClient, run: str, after: int, count: int) -> list[bytes]:
    """Up to so many events of a run's log behind the event with this seq: none at its end.

    Raises:
        EventsDropped: they are elsewhere alone.
    """
    keys = run_keys(run)
    before = await _number(redis, run, "packed")
    while True:
        if after < before:
            segment = await redis.execute_command("LINDEX", keys.segments, after // EVENTS)
            if segment is None:
                return []
            if segment.startswith(DROPPED.encode()):
                raise EventsDropped(await _number(redis, run, "dropped"))
            return unpacked(segment)[after % EVENTS :][:count]
        first = after - before
        lines = await redis.execute_command("LRANGE", keys.log, first, first + count - 1)
        # Meanwhile more may have been packed: then what was read begins elsewhere.
        if (now := await _number(redis, run, "packed")) == before:
            return lines
        before = now


async def first_event(redis: StoreClient, run: str) -> bytes | None:
    """The first event of a run's log, also if it is elsewhere alone; None if there is no run."""
    (began,) = await redis.read_fields(run_keys(run).meta, "began")
    return began if began is not None else next(iter(await read_events(redis, run, 0, 1)), None)


async def _number(redis: StoreClient, run: str, field: str) -> int:
    (number,) = await redis.read_fields(run_keys(run).meta, field)
    return int(number or 0)
