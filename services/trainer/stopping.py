"""SIGTERM, by which pods and jobs of clusters are asked to end: the step at work is finished and saved first."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

logger = logging.getLogger("services.trainer")


class Stopped(Exception):
    """SIGTERM came, and there is nothing left to finish."""


class StopAtStepEnd(TrainerCallback):
    """After SIGTERM to any of its processes a training ends with the step at work, and with its checkpoint.

    Outside of a training, as while a model is loaded, `Stopped` is raised at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._trains = False

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Heed SIGTERM inside."""
        before = signal.signal(signal.SIGTERM, self._heed)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _heed(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            return
        self.asked = True
        if not self._trains:
            raise Stopped
        logger.info("SIGTERM: this step is finished and saved, then the training ends")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """From now on there is something to finish."""
        self._trains = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Save and stop, if any process was asked to; every process calls this."""
        self.asked = any(gather_object([self.asked]))
        if self.asked and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True
