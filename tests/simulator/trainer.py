"""A trainer: it selects, reports, repeats itself, forgets, goes back, and changes the run under others' feet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

from selector_api.store.receipts import Reported
from selector_api.store.refusals import UnknownRun, UnknownSelection
from tests.promises.rows import Counts, Drop, Sent
from tests.simulator import settings
from tests.simulator.operations import (
    AddTasks,
    Create,
    Delete,
    Exclude,
    Fork,
    Handle,
    Patch,
    Read,
    Release,
    Renew,
    Report,
    ReportWithout,
    Retire,
    Select,
)
from tests.simulator.watched import Granted
from trainer_client._outbox import Outbox

if TYPE_CHECKING:
    from tests.simulator.schedule import Schedule
    from trainer_client.models import Receipt

RUN = "run"
FORK = "fork"


class Trainer:
    """One of several; each has keys of its own."""

    def __init__(self, schedule: Schedule, number: int) -> None:
        self._schedule = schedule
        self._random = schedule.random
        self._number = number
        self._place = self._checkpoint = 0
        self._held: list[Handle] = []
        self._last: Report | None = None
        self._outbox = Outbox()
        self._outbox.id = self._random.randbytes(16).hex()
        self.acknowledged: list[tuple[str, Report | ReportWithout]] = []
        """With the incarnation of the run that took it."""
        self.refused: set[int] = set()
        """Those of them that it sent again, and of whose run it was told that it is gone."""

    async def live(self) -> None:
        """Act some times."""
        for _ in range(self._random.randint(3, 9)):
            act, *_ = self._random.choices(list(_ACTS), self._schedule.likings)
            await act(self)

    async def select(self) -> None:
        """Take a step: the next batch."""
        key = self._key(self._place) if self._random.random() < 0.8 else None
        self._place += 1
        await self._select(key, self._random.randint(1, 3))

    async def select_again(self) -> None:
        """An earlier key, perhaps for another batch."""
        if self._place:
            await self._select(self._key(self._random.randrange(self._place)), self._random.randint(1, 3))

    async def select_much(self) -> None:
        """More than there is, perhaps."""
        await self._select(None, self._random.randint(4, 12))

    async def go_back(self) -> None:
        """From a checkpoint, or from the beginning: the keys come again, and nothing else is known."""
        self._place = self._checkpoint if self._random.random() < 0.7 else 0
        self._held = []
        self._last = None

    async def checkpoint(self) -> None:
        """Come back here."""
        self._checkpoint = self._place

    async def report(self) -> None:
        """Some of a selection, or all, of tasks in any order."""
        handle = self._pick()
        if handle is None:
            await self.select()
            return
        whole = self._random.random() < 0.5
        count = len(handle.tasks) if whole else self._random.randint(0, len(handle.tasks))
        tasks = self._random.sample(handle.tasks, count)
        final = not tasks or self._random.random() < 0.2
        await self._report(Report(handle, self._rows(tasks), final))

    async def resend(self) -> None:
        """The last report again, perhaps otherwise."""
        if self._last is not None:
            handle, rows, final = self._last.selection, self._last.rows, self._last.final
            if self._random.random() < 0.3:
                rows = self._rows([row.task for row in rows])
            await self._report(Report(handle, rows, final))

    async def report_of_a_stranger(self) -> None:
        """With a task that the selection has not."""
        handle = self._pick()
        if handle is not None:
            strangers = [task for task in self._schedule.witness.tasks if task not in handle.tasks]
            if strangers:
                await self._report(Report(handle, self._rows([*handle.tasks, strangers[0]]), False))

    async def report_without_selection(self) -> None:
        """Outcomes of any tasks, under one of few keys."""
        tasks = self._random.sample(self._tasks(), 2)
        rows = tuple(row for row in self._rows(tasks) if not isinstance(row.value, Drop))
        key, evaluation = self._random.choice("ab"), self._random.random() < 0.5
        if rows:
            await self._report(ReportWithout(self._run(), key, rows, evaluation))

    async def renew(self) -> None:
        if (handle := self._pick()) is not None:
            await self._ask(Renew(handle, self._random.choice([1, 20_000, 90_000])))

    async def release(self) -> None:
        if (handle := self._pick()) is not None:
            await self._ask(Release(handle))

    async def read(self) -> None:
        await self._ask(Read(self._run()))

    async def exclude(self) -> None:
        kind = self._random.choice(["excluded", "included"])
        await self._ask(Exclude(self._run(), tuple(self._random.sample(self._tasks(), 2)), kind))

    async def retire(self) -> None:
        kind = self._random.choice(["excluded", "included"])
        await self._ask(Retire(tuple(self._random.sample(self._tasks(), 2)), kind))

    async def add_tasks(self) -> None:
        added = settings.tasks(self._random, self._schedule.tasks)
        self._schedule.tasks += len(added)
        known = list(self._schedule.witness.tasks.values())[: self._random.randint(0, 2)]
        await self._ask(AddTasks((*known, *added)))

    async def patch(self) -> None:
        await self._ask(Patch(self._run(), settings.change(self._random)))

    async def fork(self) -> None:
        watched = self._schedule.witness.runs.get(RUN)
        if watched is not None:
            step = self._random.choice([None, self._random.randint(0, watched.model.course.step)])
            await self._ask(Fork(FORK, RUN, step, settings.config(self._random)))

    async def delete(self) -> None:
        """Delete a run, and make another one of its name."""
        run = self._run()
        await self._ask(Delete(run))
        if run == RUN:
            await self._ask(Create(run, settings.config(self._random)))

    async def _select(self, key: str | None, batch_size: int) -> None:
        seconds = self._random.choice([None, None, 3.0, 30.0])
        answer = await self._ask(Select(self._run(), batch_size, key, seconds))
        if isinstance(answer, Granted) and answer.handle not in self._held:
            self._held.append(answer.handle)

    async def finish(self) -> None:
        """Report once more to each run, by which the last losses show, and send again what is lost."""
        for run in list(self._schedule.witness.runs):
            rows = (Sent(self._tasks()[0], Counts(1.0, 2)),)
            await self._report(ReportWithout(run, f"end of {self._number}", rows, True))

    async def _report(self, report: Report | ReportWithout) -> None:
        """As the client does: what a receipt shows to be lost is sent again."""
        self._last = report if isinstance(report, Report) else self._last
        await self._send(report)
        while (body := self._outbox.next_lost()) is not None:
            lost = self.acknowledged[int(body)][1]
            answer = await self._send(lost)
            if isinstance(answer, UnknownSelection):
                assert isinstance(lost, Report)
                rows = tuple(row for row in lost.rows if not isinstance(row.value, Drop))
                if rows:
                    answer = await self._send(ReportWithout(lost.run, lost.selection.id, rows, False))
            if isinstance(answer, UnknownRun):
                self.refused.add(int(body))
            if answer is None:
                self._outbox.lost.appendleft(body)
                return

    async def _send(self, report: Report | ReportWithout) -> Any:
        ticket = self._outbox.ticket(report.run)
        stamp = f"{self._outbox.id} {ticket.number} {ticket.lowest}"
        answer = await self._ask(replace(report, stamp=stamp))
        if isinstance(answer, Reported):
            assert answer.place is not None
            body = str(len(self.acknowledged)).encode()
            self.acknowledged.append((answer.place.incarnation, report))
            self._outbox.keep(report.run, body, cast("Receipt", answer), ticket)
        else:
            self._outbox.give_up(report.run, ticket)
        return answer

    async def _ask(self, operation: Any) -> Any:
        return await self._schedule.ask(operation)

    def _key(self, place: int) -> str:
        return f"{self._number}-{place}"

    def _pick(self) -> Handle | None:
        return self._random.choice(self._held) if self._held else None

    def _tasks(self) -> list[str]:
        return list(self._schedule.witness.tasks)

    def _run(self) -> str:
        is_fork = FORK in self._schedule.witness.runs and self._random.random() < 0.4
        return FORK if is_fork else RUN

    def _rows(self, tasks: list[str]) -> tuple[Sent, ...]:
        return tuple(Sent(task, settings.value(self._random)) for task in tasks)


_ACTS: dict[Callable[[Trainer], Any], float] = {
    Trainer.select: 8,
    Trainer.report: 11,
    Trainer.resend: 3,
    Trainer.select_again: 2,
    Trainer.select_much: 1,
    Trainer.report_of_a_stranger: 0.4,
    Trainer.report_without_selection: 1.5,
    Trainer.renew: 1.5,
    Trainer.release: 1.2,
    Trainer.read: 1.5,
    Trainer.checkpoint: 1,
    Trainer.go_back: 1.2,
    Trainer.exclude: 0.7,
    Trainer.retire: 0.7,
    Trainer.add_tasks: 0.7,
    Trainer.patch: 0.8,
    Trainer.fork: 0.5,
    Trainer.delete: 0.5,
}
"""What a trainer does, and how often."""


def likings(random: Random, pool_grows: bool) -> list[float]:
    """How often trainers do each thing in one schedule: of some kinds none, of others more than usual.

    So that what needs several rare things together comes about. Where the pool grows that is as common as a step.
    """
    acts = {**_ACTS, Trainer.add_tasks: 8.0} if pool_grows else _ACTS
    return [often * (1 if often >= 8 else random.choice([0, 0, 1, 5])) for often in acts.values()]
