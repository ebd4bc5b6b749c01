"""Training on while the selector is away: opt in with `SelectorClient(…, fallback=Fallback(tasks, folder))`.

While no usable answer comes, `select` hands out tasks drawn uniformly from a local list, and `report` leaves
its outcomes in a folder on disk. They are sent, oldest first, with the next calls that find the service back.
Outcomes of batches that the client drew itself are sent without a selection, under the batch's id as their key.
The service counts each task of a selection, or of a key, once. So nothing is lost and nothing counts twice:
whatever is sent again, by this process, by its successor or by another one on the same folder, does no harm.
The outcomes of a selection that the service has lost (Redis restored from a backup, say) are sent without one, too,
under the selection's id. What the service refuses is put aside in the folder, never thrown away.

A selection whose reply was lost keeps its tasks leased at the service. So from then on, when the service has
too few tasks for a batch, the client draws that batch itself too, with a warning.
"""

import json
import logging
import math
import os
import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from trainer_client.errors import SelectorUnavailable
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import id_text

logger = logging.getLogger("trainer_client")

TASKS_OF_AN_INFORMATIVE_GROUP = 2
"""What it takes where nothing is known of the tasks: in a replay of a real run half of the groups of 8 were
informative."""


@dataclass(frozen=True)
class SpooledReport:
    """A report on disk: its file's name and the body of its `POST /report`."""

    name: str
    body: bytes


class Spool:
    """A folder of reports that the service has not acknowledged, one file each, oldest first by name.

    A report is held by the thread that is sending it, so that no other thread of this process takes it too.
    Holding lives in memory: a process that dies leaves its reports to whoever opens the folder next.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.rejected = self.folder / "rejected"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._newest = 0

    def put(self, body: bytes) -> SpooledReport:
        """Write a report to disk, durably, and hold it."""
        with self._lock:
            self._newest = max(self._newest + 1, time.time_ns())
            name = f"{self._newest:020d}-{uuid.uuid4().hex[:8]}.json"
            self._held.add(name)
        self._write(self.folder / name, body)
        return SpooledReport(name, body)

    def take(self, after: str = "") -> SpooledReport | None:
        """Hold the oldest report that nobody holds and that is newer than the one named `after`."""
        with self._lock:
            for name in self._names():
                if name > after and name not in self._held:
                    try:
                        body = (self.folder / name).read_bytes()
                    except FileNotFoundError:
                        continue  # another process on this folder has just sent it
                    self._held.add(name)
                    return SpooledReport(name, body)
        return None

    def release(self, report: SpooledReport) -> None:
        """Hold it no more; if it is still on disk, it waits for its turn."""
        with self._lock:
            self._held.discard(report.name)

    def remove(self, report: SpooledReport) -> None:
        """Forget a report whose fate the service has told."""
        (self.folder / report.name).unlink(missing_ok=True)

    def reject(self, report: SpooledReport, reason: str) -> None:
        """Put a report that the service refuses aside, with the reason; moved back, it is sent again."""
        self.rejected.mkdir(exist_ok=True)
        self._write(self.rejected / report.name, report.body)
        self._write(
            self.rejected / f"{report.name.removesuffix('.json')}.reason.txt", reason.encode() + b"\n"
        )
        self.remove(report)
        logger.warning(
            "the selector refused a spooled report: %s; it is kept as %s", reason, self.rejected / report.name
        )

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self.folder) if name.endswith(".json"))

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class Fallback:
    """What a client does while the service is away.

    Ranks that each ask for themselves may differ: one falls back while another still gets the service's answer.
    Select on one rank and broadcast the selection to the others, as `steps` does.

    Args:
        tasks: the ids to draw from, at least as many as the largest batch; they should be tasks of the run's pool,
            since the service refuses outcomes of others.
        folder: where unsent reports wait; give each service its own.
        seed: settles the draws, together with a selection's key: a process that falls back again under the same
            key, also after a restart, gets the same batch. Without a key every batch is another.

    Raises:
        ValueError: `tasks` is empty or holds an id twice.
    """

    def __init__(self, tasks: Sequence[str], folder: str | os.PathLike[str], *, seed: int = 0):
        self.tasks: list[str] = [id_text(task) for task in tasks]
        different = len(set(self.tasks))
        if not different or different < len(self.tasks):
            raise ValueError(f"tasks: got {len(self.tasks)} ids, {different} different; give each task once")
        self.seed = seed
        self.spool = Spool(folder)
        self.away = False
        self.lost_selection = False
        self.step = 0

    def planned(self, informative: float) -> int:
        """Tasks for so many informative groups: two for each, as far as there are so many tasks."""
        return min(math.ceil(TASKS_OF_AN_INFORMATIVE_GROUP * informative), len(self.tasks))

    def select(self, run: str, batch_size: int, key: str) -> Selection:
        """Draw a batch uniformly, without replacement.

        Its id is made of the run, the key, the seed and the size, so the same call gives the same selection.
        """
        digest = sha256(json.dumps([run, key, self.seed, batch_size]).encode()).hexdigest()
        return Selection(
            selection=f"fallback-{digest[:32]}",
            run=run,
            step=self.step,
            tasks=random.Random(digest).sample(self.tasks, batch_size),
            fallback=True,
        )

    def receipt(self, selection: Selection) -> Receipt:
        """The receipt of a report that waits on disk."""
        return Receipt(
            selection=None if selection.fallback else selection.selection,
            accepted=0,
            duplicates=0,
            remaining=None,
            committed=False,
            step=self.step,
            spooled=True,
        )

    def nothing_counted(self) -> Receipt:
        """The receipt of a report that held no outcomes, of a selection that the service has lost."""
        return Receipt(selection=None, accepted=0, duplicates=0, remaining=0, committed=False, step=self.step)

    def lost(self, error: SelectorUnavailable) -> None:
        """Note that the service is away: from now on one attempt a call, and no waiting."""
        if not self.away:
            self.away = True
            logger.warning("the selector is away, training goes on with the fallback: %s", error)

    def found(self, step: int) -> None:
        """Note that the service answered, with the run's `step`."""
        self.step = step
        if self.away:
            self.away = False
            logger.info("the selector is back")
