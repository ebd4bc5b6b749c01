"""Reports that the service has acknowledged, kept for a while: Redis may lose them, and then they are sent again.

Each goes out under a number of its own, which Redis notes beside what the report tells: it loses both, or neither.
A receipt tells which numbers are there, and so which of those that were acknowledged before are not.
"""

import fcntl
import json
import os
import threading
import uuid
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from trainer_client._exchange import Plan, Request, answer_of, exchange
from trainer_client.errors import ApiError, NotFound, SelectorUnavailable
from trainer_client.fallback import logger
from trainer_client.models import Place, Receipt

MOST_REPORTS = 1_000
MOST_BYTES = 64 << 20
MOST_NUMBERS = 10**9
"""So many are there for each process that goes on with an outbox."""


@dataclass(frozen=True)
class Kept:
    """A report that was acknowledged."""

    run: str
    incarnation: str
    number: int
    body: bytes
    turn: int
    """How many were acknowledged before it."""


@dataclass(frozen=True)
class Ticket:
    """What a report goes out with."""

    number: int
    """Of all that the outbox sends of a run, never given again."""
    lowest: int
    """The lowest number among those that may be found lost, those on their way among them, and its own."""
    turn: int
    """How many were acknowledged before it was sent: its receipt has to know of these."""


class Outbox:
    """The last acknowledged reports of a client: at most 1,000, of 64 MiB together.

    Args:
        folder: where they outlive the process: the next one goes on with them; None: in memory alone.
    """

    def __init__(self, folder: Path | None = None):
        # An abandoned call gives up where garbage is collected, and that may be within one of these.
        self._lock = threading.RLock()
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(self._first))
        self._sent: set[tuple[str, int]] = set()
        self._turn = 0
        self._first = 1
        self.lost: deque[bytes] = deque()
        """Reports to be sent again, where nobody else was told of them."""
        self.on_lost: Callable[[bytes], None] = self.lost.append
        """Is told of each report that is to be sent again."""
        self.id = uuid.uuid4().hex
        self._folder: Path | None = None
        self._let_go: Callable[[], Any] | None = None
        if folder is not None:
            self._open(folder)

    def ticket(self, run: str) -> Ticket:
        """What the next report of a run is to be sent with; it is on its way until `keep` or `give_up`."""
        with self._lock:
            number = next(self._numbers[run])
            self._sent.add((run, number))
            # What others are sending may arrive before this one, and be kept: a later receipt is to know of it.
            sent = (each for of, each in tuple(self._sent) if of == run)
            lowest = min(chain(sent, (kept.number for kept in self._kept if kept.run == run)))
            return Ticket(number, lowest, self._turn)

    def give_up(self, run: str, ticket: Ticket) -> None:
        """Ask no more for a report that was not acknowledged."""
        with self._lock:
            self._sent.discard((run, ticket.number))

    def keep(self, run: str, body: bytes, receipt: Receipt, ticket: Ticket) -> None:
        """Keep a report that was acknowledged; what its receipt shows to be lost is to be sent again.

        Args:
            run: of the report.
            body: of its `POST /report`.
            receipt: the answer.
            ticket: what it was sent with.
        """
        place = receipt.place
        if place is None:  # the service is of an older release
            self.give_up(run, ticket)
            return
        with self._lock:
            self._sent.discard((run, ticket.number))
            lost = self._missing(run, place, ticket)
            for kept in lost:
                self.on_lost(kept.body)
            self._forget(lost)
            self._add(Kept(run, place.incarnation, ticket.number, body, self._turn))
        if lost:
            logger.warning(
                "run %r: Redis has lost %d reports that the service had acknowledged; they are sent again",
                run,
                len(lost),
            )

    def _missing(self, run: str, place: Place, ticket: Ticket) -> list[Kept]:
        """What had been acknowledged when a report was sent, and is not in the run that its receipt is of.

        Nothing of another run that had the name: it may be back when Redis has lost that it was deleted.
        """
        taken = place.taken
        if any(first <= ticket.lowest and ticket.number <= last for first, last in taken):
            return []  # all of it, as nearly always
        return [
            kept
            for kept in self._kept
            if (kept.run, kept.incarnation) == (run, place.incarnation)
            and kept.turn < ticket.turn
            and not any(first <= kept.number <= last for first, last in taken)
        ]

    def next_lost(self) -> bytes | None:
        """Take the report that is to be sent again first."""
        with self._lock:
            return self.lost.popleft() if self.lost else None

    def close(self) -> None:
        """Leave what is kept to the folder's next client."""
        if self._let_go is not None:
            self._let_go()

    def _add(self, kept: Kept) -> None:
        if self._folder is not None:
            self._file(kept).write_bytes(kept.body)
        self._kept.append(kept)
        self._turn += 1
        self._bytes += len(kept.body)
        while len(self._kept) > MOST_REPORTS or self._bytes > MOST_BYTES:
            self._forget([self._kept[0]])

    def _forget(self, reports: list[Kept]) -> None:
        for kept in reports:
            self._kept.remove(kept)
            self._bytes -= len(kept.body)
            if self._folder is not None:
                self._file(kept).unlink(missing_ok=True)

    def _file(self, kept: Kept) -> Path:
        assert self._folder is not None
        return self._folder / f"{kept.number:015d}-{kept.incarnation}.json"

    def _open(self, folder: Path) -> None:
        """Take over the outbox of a client that has ended, or begin a new one."""
        there = sorted(folder.iterdir()) if folder.is_dir() else []
        for own in [*there, folder / self.id]:
            own.mkdir(parents=True, exist_ok=True)
            claim = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # of a client that lives
                os.close(claim)
                continue
            self._folder, self.id = own, own.name
            self._let_go = weakref.finalize(self, os.close, claim)
            self._load(self._folder)
            process = max(
                [int(os.read(claim, 20) or b"0"), *(kept.number // MOST_NUMBERS for kept in self._kept)]
            )
            process += 1  # the former may have sent what it did not keep
            os.pwrite(claim, str(process).encode(), 0)
            self._first = process * MOST_NUMBERS
            return

    def _load(self, folder: Path) -> None:
        for file in sorted(folder.glob("*.json")):
            number, _, incarnation = file.stem.partition("-")
            body = file.read_bytes()
            try:
                run = json.loads(body)["run"]
            except ValueError:  # the process ended while it was written
                file.unlink()
                continue
            self._kept.append(Kept(run, incarnation, int(number), body, self._turn))
            self._turn += 1
            self._bytes += len(body)


def send_report(outbox: Outbox, run: str, body: bytes, max_retries: int | None) -> Plan[Receipt]:
    """Send a report, and keep it when it is acknowledged.

    Raises:
        SelectorError: as `exchange`.
    """
    ticket = outbox.ticket(run)
    stamp = f"{outbox.id} {ticket.number} {ticket.lowest}"
    headers = {"Content-Type": "application/json", "X-Bots-Outbox": stamp}
    request = Request("POST", "report", body, headers=headers)
    try:
        receipt = yield from exchange(request, answer_of(Receipt), max_retries)
    except BaseException:  # an abandoned call, too
        outbox.give_up(run, ticket)
        raise
    outbox.keep(run, body, receipt, ticket)
    return receipt


def send_lost(outbox: Outbox) -> Plan[None]:
    """Send again what is lost, one attempt each; what the service does not answer to waits for the next time."""
    while (body := outbox.next_lost()) is not None:
        run = json.loads(body)["run"]
        try:
            try:
                yield from send_report(outbox, run, body, 0)
            except NotFound as error:
                if (instead := without_selection(body, error)) is not None:
                    yield from send_report(outbox, run, instead, 0)
        except SelectorUnavailable as error:
            outbox.lost.appendleft(body)
            logger.warning("run %r: %d lost reports wait for the next call: %s", run, len(outbox.lost), error)
            return
        except ApiError as error:
            logger.warning("run %r: the selector refused a report that Redis has lost: %s", run, error)


def without_selection(body: bytes, error: NotFound) -> bytes | None:
    """The report of a selection that the service has lost, as evidence without one, whose key is the selection.

    None if it holds no outcomes.

    Raises:
        NotFound: it is not the selection that is missing.
    """
    sent = json.loads(body)
    if error.code != "unknown-selection":
        raise error
    rows = [row for row in sent["outcomes"] if "dropped" not in row]
    logger.warning(
        "run %r: the service does not know selection %s any more, as when Redis lost its last seconds; its %d "
        "outcomes are sent as evidence without a selection: %s",
        sent["run"],
        sent["selection"],
        len(rows),
        error,
    )
    if not rows:
        return None
    instead = {"run": sent["run"], "selection": None, "key": sent["selection"], "outcomes": rows}
    return json.dumps(instead | {name: sent[name] for name in ("policy_version",) if name in sent}).encode()
