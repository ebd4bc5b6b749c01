"""`python -m tests.services.trainer.killed CALL WHICH CONFIG [SIGNAL]`: a training that is ended after a call.

CALL is select or report. WHICH is a number, of such calls; `top-up`, the first in a step after the first that has
selected before; or `none`.

The process sends itself the signal, SIGKILL unless another is named, as soon as the selector has answered that
call, before it does anything with the answer.
Each process notes how many rollouts it trains on in a step that filters groups: `BATCHES` in the output folder.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.command_line.failures import printed_failures
from services.trainer.command import train
from services.trainer.pod_trainer import PodTrainer
from trainer_client import SelectorClient

BATCHES = "batches-{process}"


def kill_after(call: str, is_it: Callable[[int, str], bool], number: signal.Signals) -> None:
    """Send it after the first call of which this holds: its number from 1, and the newest selection's key."""
    answered, key = 0, ""
    originals = {name: getattr(SelectorClient, name) for name in ("select", "report")}

    def dying(name: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal answered, key
            key = kwargs["key"] if name == "select" else key
            answer = originals[name](*args, **kwargs)
            answered += name == call
            if name == call and is_it(answered, key):
                os.kill(os.getpid(), number)
            return answer

        return wrapped

    for name in originals:
        setattr(SelectorClient, name, dying(name))


def tops_up(_: int, key: str) -> bool:
    """Whether a key is of a step after the first that has selected before: "step-3.1"."""
    step, selection = key.removeprefix("step-").split(".")
    return int(step) >= 1 and selection != "0"


def note_batches() -> None:
    """Note the size of what is trained on where groups are filtered."""
    original = PodTrainer._informative_batch

    def noting(trainer: PodTrainer, *args: Any) -> Any:
        batch = original(trainer, *args)
        file = Path(str(trainer.args.output_dir)) / BATCHES.format(process=trainer.accelerator.process_index)
        with file.open("a") as notes:
            notes.write(f"{len(batch['completion_ids'])}\n")
        return batch

    PodTrainer._informative_batch = noting  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    call, which, config, *name = sys.argv[1:]
    sent = signal.Signals[name[0] if name else "SIGKILL"]
    if which == "top-up":
        kill_after(call, tops_up, sent)
    elif which != "none":
        kill_after(call, lambda number, _: number == int(which), sent)
    note_batches()
    with printed_failures():
        train(Path(config))
