"""What a training's log hears of the selector: predicted and seen rates, and now and then where the run is."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from trainer_client.client import SelectorClient
from trainer_client.errors import SelectorError
from trainer_client.groups import effective_task_ratio
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Outcome
from trainer_client.rewards import RewardScale

REPORTS_A_LOOK = 10
"""After the first report and then after so many more the run's status is asked for."""


class Figures:
    """The figures of the main rank as they arise. docs/how-to/trainers/README.md tells what each of them is.

    Args:
        selector: the client with which the run is looked at.
        measure: gets each figure's name and value.
    """

    def __init__(self, selector: SelectorClient, measure: Callable[[str, float], None]):
        self._selector = selector
        self._measure = measure
        self._reports = 0

    @contextmanager
    def timed(self, name: str) -> Generator[None]:
        """Measure the milliseconds that this takes, also where it is refused."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._measure(name, 1000 * (time.perf_counter() - start))

    def of_selection(self, selection: Selection) -> None:
        """What a selection promises."""
        self._measure("fallback", float(selection.fallback))
        predicted = selection.predicted
        if predicted is not None and predicted.mean is not None:
            self._measure("predicted_rate", predicted.mean)
        if predicted is not None and predicted.informative is not None:
            self._measure("predicted_etr", predicted.informative / len(selection.tasks))

    def of_report(
        self, run: str, outcomes: Sequence[Outcome], scale: RewardScale | None, receipt: Receipt
    ) -> None:
        """What was seen, and where the run is.

        Args:
            run: the run that it was reported to.
            outcomes: as they were reported.
            scale: what rewards are worth to the run; None: not known, so the rate of rewards is not either.
            receipt: the answer.
        """
        ratio = effective_task_ratio(outcomes)
        if ratio is None:
            return
        self._measure("etr", ratio)
        rates = [rate for rate in (_rate(outcome, scale) for outcome in outcomes) if rate is not None]
        if rates:
            self._measure("seen_rate", sum(rates) / len(rates))
        if not receipt.spooled:
            if self._reports % REPORTS_A_LOOK == 0:
                self._of_run(run)
            self._reports += 1

    def _of_run(self, run: str) -> None:
        """Where the run is. A training does not wait for it: it is asked once, and no answer is none."""
        try:
            status = self._selector.run_status(run, max_retries=0)
        except SelectorError:
            return
        for domain, capability in status.capability.items():
            if capability is not None:
                self._measure(f"capability/{domain}", capability)
        self._measure("never_selected", status.never_selected)
        behind = (status.staleness or {}).get("mean")
        if behind is not None:
            self._measure("staleness", behind)


def _rate(outcome: Outcome, scale: RewardScale | None) -> float | None:
    """What a group was worth on average, in [0, 1]; None if it cannot be told."""
    if outcome.successes is not None and outcome.trials is not None:
        return outcome.successes / outcome.trials
    if scale is None:
        return None
    return sum(scale.worth(reward) for reward in outcome.each_reward) / len(outcome.each_reward)
