"""Workers that train through faults, and the history of what they sent and what was acknowledged."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from zlib import crc32

from trainer_client import Fallback, NotFound, Outcome, SelectorClient, SelectorUnavailable
from trainer_client.models import Selection

TASKS = [f"t{number}" for number in range(2000)]
BATCH = 4
Row = tuple[str, str]
"""A selection's id and a task."""


def truth(source: str, task: str) -> tuple[int, int]:
    """What is seen of a task in a selection: successes and trials."""
    number = crc32(f"{source} {task}".encode())
    trials = 1 + number % 16
    return number // 16 % (trials + 1), trials


class Worker(threading.Thread):
    """Selects and reports, in parts, until it is told to stop; every call is repeated until it is answered.

    Args:
        url: of the services.
        run: which it trains.
        number: of the worker; odd ones train on with a fallback.
        seed: of its decisions.
        folder: where its reports wait.
    """

    def __init__(self, url: str, run: str, number: int, seed: int, folder: Path) -> None:
        super().__init__(name=f"worker-{number}", daemon=True)
        self._rng = random.Random(f"{seed}-{number}")
        self._number = number
        fallback = Fallback(TASKS, folder / str(number), seed=number) if number % 2 else None
        self._client = SelectorClient(url, run, timeout=2.0, max_retries=1, fallback=fallback)
        self._stopping = threading.Event()
        self.sent: set[Row] = set()
        self.acknowledged: set[Row] = set()
        """Of those that were sent, what was answered with success."""
        self.unknown = 0
        """Selections that were lost before anything of them was reported."""
        self.error: BaseException | None = None
        self._steps = 0

    def stop(self) -> None:
        """Finish what is at work."""
        self._stopping.set()

    def run(self) -> None:
        """Train."""
        try:
            while not self._stopping.is_set():
                self._step()
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        """With all faults over: one step, by which losses are noticed, and what waits is sent."""
        self._step()
        assert self._client.flush() == 0
        self._client.close()

    def _step(self) -> None:
        self._steps += 1
        key = f"worker-{self._number}-{self._steps}"
        selection = None
        while selection is None:
            try:
                selection = self._client.select(BATCH, key=key)
            except SelectorUnavailable:
                continue
        outcomes = [self._seen(selection, task) for task in selection.tasks]
        cut = self._rng.randrange(len(outcomes) + 1)
        for part, final in ((outcomes[:cut], False), (outcomes[cut:], True)):
            if part and not self._report(selection, part, final):
                self.unknown += 1
                return

    def _seen(self, selection: Selection, task: str) -> Outcome:
        successes, trials = truth(selection.selection, task)
        return Outcome(task=task, successes=successes, trials=trials)

    def _report(self, selection: Selection, outcomes: list[Outcome], final: bool) -> bool:
        """Report until that is answered; whether the selection is known."""
        rows = {(selection.selection, outcome.task) for outcome in outcomes}
        self.sent |= rows
        while True:
            try:
                self._client.report(selection, outcomes, final=final)
            except SelectorUnavailable:
                continue
            except NotFound:
                return False
            self.acknowledged |= rows
            return True
