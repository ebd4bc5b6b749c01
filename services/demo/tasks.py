"""The tasks: four kinds from reasoning-gym in two domains, each at several levels of difficulty.

A question of reasoning-gym is a paragraph; the model here has some ninety thousand parameters, and a token for each
letter or number. So a task is written down shortly, with all that the question gives: "Spell this word backward
(example: sun -> nus): splat" becomes "Rsplat=". Answers are scored by reasoning-gym's own scorers.
"""

import ast
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import reasoning_gym
from reasoning_gym.factory import get_score_answer_fn

Entry = dict[str, Any]

SEEDS_APART = 1_000_000


@dataclass(frozen=True)
class Form:
    """How answers are written: `shorten` turns reasoning-gym's into the model's text, `restore` turns it back."""

    shorten: Callable[[str], str]
    restore: Callable[[str], str]


@dataclass(frozen=True)
class Kind:
    """One of reasoning-gym's datasets: its domain here, its configs (easiest first), its prompts, its answers."""

    domain: str
    levels: tuple[dict[str, int], ...]
    prompt: Callable[[Entry], str]
    form: Form


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


def _numbers(values: Iterable[str]) -> str:
    return " ".join(str(round(float(value))) for value in values)


def _sorting(entry: Entry) -> str:
    about = entry["metadata"]
    direction = "<" if about["direction"] == "ascending" else ">"
    return f"S{direction}{_numbers(about['original_numbers'])}="


def _filtering(entry: Entry) -> str:
    about = entry["metadata"]
    operation, side = about["operation"].split("_")  # keep or remove, larger or smaller
    sign = {"larger": ">", "smaller": "<"}[side]
    return f"{operation[0].upper()}{sign}{_numbers([about['filter_value']])}:{_numbers(about['original_numbers'])}="


WORD = Form(shorten=str.lower, restore=lambda text: text.replace(" ", ""))
LIST = Form(shorten=lambda answer: _numbers(ast.literal_eval(answer)), restore=lambda text: str(text.split()))
LIST_LEVELS = tuple(
    {"min_numbers": n, "max_numbers": n, "max_decimals": 0, "min_value": 0, "max_value": 99}
    for n in (3, 5, 7, 9)
)
KINDS = {
    "spell_backward": Kind(
        "words",
        tuple({"min_word_len": n, "max_word_len": n + 1} for n in (3, 5, 7, 9)),
        lambda entry: f"B{entry['metadata']['word'].lower()}=",
        WORD,
    ),
    "palindrome_generation": Kind(
        "words",
        tuple({"min_length": n, "max_length": n + 1} for n in (4, 6, 8, 10)),
        lambda entry: f"P{''.join(entry['metadata']['letters'])}=",
        WORD,
    ),
    "number_sorting": Kind("numbers", LIST_LEVELS, _sorting, LIST),
    "number_filtering": Kind("numbers", LIST_LEVELS, _filtering, LIST),
}


def draw_tasks(of_each_level: int, seed: int, apart_from: Iterable[DemoTask] = ()) -> list[DemoTask]:
    """Draw tasks of every level of every kind; no prompt comes twice, or is one of the tasks `apart_from`.

    Of each level at most `of_each_level` are drawn: less where prompts are few.
    """
    known = {task.prompt for task in apart_from}
    tasks = []
    start = seed * SEEDS_APART
    for name, kind in KINDS.items():
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
