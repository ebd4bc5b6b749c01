"""The synchronous client."""

import time
from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import Any, Self

import httpx

from trainer_client._calls import Calls
from trainer_client._connection import Address, http_options
from trainer_client._exchange import EventLines, Patience, Reply, accepted
from trainer_client._pools_and_runs_client import PoolsAndRunsClient
from trainer_client.errors import SelectorUnavailable
from trainer_client.fallback import Fallback
from trainer_client.listings import RunInsight, TaskVisits
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Drops, Outcomes


class SelectorClient(PoolsAndRunsClient):
    """A trainer's line to the selector. Threads may share it; use it as a context manager or `close` it.

    A call is sent again after a lost connection, a timeout, a 408, 429 or 5xx, with exponential backoff, full
    jitter and respect for `Retry-After` (up to a minute). Sending again is always safe. Every call can raise the
    errors of `trainer_client.errors`.

    Args:
        base_url: where the service is, such as "http://127.0.0.1:8000"; without one, the environment's
            SELECTOR_URL, or what the file SELECTOR_URL_FILE holds. The file is read at every call, so the client
            follows a service that moves.
        run: the run that `select` draws for, and that calls about a run mean when none is named.
        token: bearer token; without one, the environment's SELECTOR_TOKEN, or what the file SELECTOR_TOKEN_FILE
            holds, if they are set. The file is read again when the service refuses the token.
        timeout: seconds for each attempt, of which at most 5 to connect; or an `httpx.Timeout`.
        max_retries: how often a call is sent again; None: as often as it takes to outlast a restart of a minute,
            or four times with a fallback, since a training then goes on.
        transport: an httpx transport, such as `FakeSelector().transport`.
        fallback: what to do while the service is away; with it, `select` and `report` never raise
            `SelectorUnavailable`.

    Raises:
        ValueError: an argument with which no call could work.
    """

    def __init__(
        self,
        base_url: str | None = None,
        run: str | None = None,
        *,
        token: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int | None = None,
        transport: httpx.BaseTransport | None = None,
        fallback: Fallback | None = None,
    ):
        self._calls = Calls(run, max_retries, fallback)
        self._address = Address(base_url)
        self._http = httpx.Client(transport=transport, **http_options(token, timeout))

    @property
    def run(self) -> str | None:
        """The run that calls mean when none is named; a training that goes on in a fork of its run sets it."""
        return self._calls.run

    @run.setter
    def run(self, run: str) -> None:
        self._calls.run = run

    @property
    def resumes(self) -> bool:
        """Whether this training goes on from where it was: what it reports again is then no reason to warn."""
        return self._calls.resumes

    @resumes.setter
    def resumes(self, resumes: bool) -> None:
        self._calls.resumes = resumes

    @property
    def has_fallback(self) -> bool:
        """Whether a training goes on while the service is away."""
        return self._calls.has_fallback

    def select(
        self,
        batch_size: int | None = None,
        *,
        informative: float | None = None,
        rollouts: int | None = None,
        key: str | None = None,
        explain: bool = False,
        policy_version: int | None = None,
        lease_seconds: float | None = None,
    ) -> Selection:
        """Ask for the next batch.

        Args:
            batch_size: how many tasks.
            informative: instead of it, how many informative groups the batch is to promise: the service then finds
                out how many tasks that takes, and `predicted.informative` of the answer is what they promise. What
                is still missing when they are scored is asked for under another key. A fallback, which knows
                nothing of the tasks, draws two for every informative group.
            rollouts: how many rollouts each group will have; None: as the run's posterior has it.
            key: 1 to 256 characters. The same key always gets the same selection, also after a restart: a trainer
                passes something like "step-12". Without one, every call gets a new selection. The answer's `status`
                says what has become of a selection that was there.
            explain: whether the selection is to say why each task was chosen.
            policy_version: the trainer's own number of the weights that will make the rollouts.
            lease_seconds: how long the tasks are leased; None: as long as the run says.

        Raises:
            BatchTooLarge: fewer tasks can be drawn now, or all together promise too little. Once a selection was
                lost, the fallback (if there is one) draws the batch instead, since the service may hold the lost
                one's tasks until its lease ends.
            ValueError: neither or both of `batch_size` and `informative` are given.
        """
        return self._carry_out(
            self._calls.select(batch_size, informative, rollouts, key, explain, policy_version, lease_seconds)
        )

    def report(
        self,
        selection: Selection,
        outcomes: Outcomes,
        *,
        dropped: Drops | None = None,
        final: bool = False,
        policy_version: int | None = None,
    ) -> Receipt:
        """Tell what came of a selection's tasks, in one report or in parts.

        Reporting again changes nothing. A log warning says so when a replayed selection is reported again, and when
        other values stand for a task than the ones sent.

        Args:
            selection: what `select` gave.
            outcomes: `Outcome`s, or a mapping of each task's id to the rewards of its rollouts. Several outcomes of
                one task are one: they are summed.
            dropped: the tasks that could not be scored, and why: "timeout", say. They give no evidence.
            final: that no more will come, so the selection commits without its missing tasks, or is released if
                there were no outcomes at all.
            policy_version: the trainer's own number of the weights that made these rollouts.

        Raises:
            ValueError: there is nothing to tell and it is not final, or a task is of another selection.
            InvalidRequest: a reward that the run does not take: see `rewards` of its config.
        """
        return self._carry_out(self._calls.report(selection, outcomes, dropped or {}, final, policy_version))

    def report_evaluation(self, key: str, outcomes: Outcomes, run: str | None = None) -> Receipt:
        """Tell what an evaluation saw: it informs the posteriors, but is no step of the training.

        Args:
            key: names the evaluation, as in "eval-100": each task counts once under a key.
            outcomes: as in `report`, of any tasks of the run's pool.
            run: the run; None: the client's.
        """
        return self._carry_out(
            self._calls.report_without_selection(run, key, outcomes, evaluation=True, policy_version=None)
        )

    def report_unsolicited(
        self, key: str, outcomes: Outcomes, run: str | None = None, *, policy_version: int | None = None
    ) -> Receipt:
        """Tell of tasks that were trained on without having been selected: a commit of its own.

        `key` names the report: each task counts once under a key. The rest is as in `report`.
        """
        return self._carry_out(
            self._calls.report_without_selection(
                run, key, outcomes, evaluation=False, policy_version=policy_version
            )
        )

    def renew(self, selection: Selection, seconds: float) -> Selection:
        """Keep a selection's tasks leased for so many seconds from now.

        One that the fallback drew has no lease: it is given back as it is.
        """
        return self._carry_out(self._calls.renew(selection, seconds))

    def release(self, selection: Selection | str) -> None:
        """Give a selection back: its tasks can be drawn again. A selection that is named is of the client's run.

        One that the fallback drew has no lease, so there is nothing to do.
        """
        self._carry_out(self._calls.release(selection))

    def flush(self) -> int:
        """Send the reports that wait on disk, one attempt each.

        `select` and `report` do this by themselves. Call it at the end of a training.

        Returns:
            How many still wait.
        """
        return self._carry_out(self._calls.flush())

    def insight(self, run: str | None = None, *, points: int | None = None) -> RunInsight:
        """What a run's figures say in words, as the dashboard does, and its course in at most so many points."""
        return self._carry_out(self._calls.insight(run, points))

    def visits(self, task: str, run: str | None = None) -> TaskVisits:
        """What is known of a task, and what became of it each time that it was handed out or evaluated."""
        return self._carry_out(self._calls.visits(run, task))

    def events(self, run: str | None = None, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """The run's log from the event after `after` on; a broken stream is taken up where it broke."""
        patience = Patience(self._calls.max_retries)
        while True:
            request = self._calls.events(run, after)
            try:
                with self._http.stream(**request.arguments(self._address)) as response:
                    if response.is_success:
                        lines = EventLines(response)
                        for chunk in chain(response.iter_bytes(), [b""]):
                            for event in lines.feed(chunk):
                                after = event["seq"]
                                patience = Patience(self._calls.max_retries)
                                yield event
                        return
                    response.read()
                    reply: Reply = response
            except httpx.RequestError as error:
                reply = error
            try:
                accepted(request, reply)
            except SelectorUnavailable:
                seconds = patience.wait_after(reply)
                if seconds is None:
                    raise
                time.sleep(seconds)

    def close(self) -> None:
        """Close the connections. Reports that still wait on disk are left to the folder's next client."""
        self._calls.end()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
