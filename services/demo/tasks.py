"""The tasks: drawn from kinds of several levels of difficulty, and scored by reasoning-gym's own scorers."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import reasoning_gym
from reasoning_gym.factory import get_score_answer_fn

from services.demo.kinds import KINDS, WORDS_AND_LISTS, Entry, Kind

SEEDS_APART = 1_000_000


@dataclass(frozen=True)
class DemoTask:
    """A task as the model sees it (`prompt`, and `target`, an answer that passes), and where it comes from."""

    id: str
    kind: str
    prompt: str
    target: str
    entry: Entry

    @property
    def domain(self) -> str:
        """The domain that its kind belongs to."""
        return KINDS[self.kind].domain

    def passes(self, completion: str) -> bool:
        """Whether reasoning-gym's scorer gives the completion full marks; it may give less to one nearly right."""
        return _passes(self.kind, self.entry, completion)


def reward(completion: str, answer: str) -> float:
    """1 if a completion passes, else 0; `answer` is what `answer_of` made of the task."""
    task = json.loads(answer)
    return float(_passes(task["kind"], task["entry"], completion))


def answer_of(task: DemoTask) -> str:
    """What `reward` needs to know of a task, as JSON."""
    return json.dumps({"kind": task.kind, "entry": task.entry})


def _passes(kind: str, entry: Entry, completion: str) -> bool:
    return _scorer(kind)(KINDS[kind].form.restore(completion), entry) == 1.0


def draw_tasks(
    of_each_level: int,
    seed: int,
    apart_from: Iterable[DemoTask] = (),
    of: Mapping[str, Kind] = WORDS_AND_LISTS,
) -> list[DemoTask]:
    """Draw tasks of every level of these kinds; no prompt comes twice, or is one of the tasks `apart_from`.

    Of each level at most `of_each_level` are drawn: less where prompts are few.
    """
    known = {task.prompt for task in apart_from}
    tasks = []
    start = seed * SEEDS_APART
    for name, kind in of.items():
        for level, config in enumerate(kind.levels):
            dataset = reasoning_gym.create_dataset(name, size=of_each_level, seed=start, **config)
            start += of_each_level  # reasoning-gym draws entry i from seed + i
            for number in range(of_each_level):
                entry = dataset[number]
                prompt = kind.prompt(entry)
                if prompt not in known:
                    known.add(prompt)
                    task = f"{name}-{level}-{seed}-{number}"
                    tasks.append(DemoTask(task, name, prompt, kind.form.shorten(entry["answer"]), entry))
    return tasks


@cache
def _scorer(name: str) -> Callable[[str, Entry], float]:
    return cast(Callable[[str, Entry], float], get_score_answer_fn(name))
