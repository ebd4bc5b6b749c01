"""Pass rates on tasks that are not trained on, by the engine that rolls out."""

from typing import Any

from accelerate.utils import gather_object

from trainer_client.integrations.trl import TASK_COLUMN


def held_out_rates(trainer: Any, samples: int) -> list[float]:
    """The pass rate over so many completions of each row of a `PodTrainer`'s `eval_dataset`, in its order.

    Every process calls this and rolls out its share. vLLM gets all prompts at once; transformers as many as a
    process takes through the model at once in training.
    """
    rows = list(trainer.eval_dataset)
    processes, process = trainer.accelerator.num_processes, trainer.accelerator.process_index
    share = -(-len(rows) // processes)
    # TRL gathers tensors of equal length, so every process has as many rows; the ones too many are dropped below.
    mine = [rows[(process * share + number) % len(rows)] for number in range(share)]
    at_once = share if trainer.use_vllm else max(1, trainer.args.per_device_train_batch_size // samples)
    rates: list[float] = []
    for first in range(0, share, at_once):
        batch = [row for row in mine[first : first + at_once] for _ in range(samples)]
        completions = trainer._generate([row["prompt"] for row in batch])[3]
        rewards = trainer.reward_funcs[0](
            completions=completions, **{TASK_COLUMN: [row[TASK_COLUMN] for row in batch]}
        )
        worth = list(map(trainer.scorer.scale.worth, rewards))
        rates += [sum(worth[at : at + samples]) / samples for at in range(0, len(worth), samples)]
    return gather_object(rates)[: len(rows)]
