import pytest

from services.demo.kinds import GRIDS_AND_SUMS, SETS, WORDS_AND_LISTS
from services.demo.tasks import DemoTask, draw_tasks


@pytest.fixture(scope="module")
def pool() -> list[DemoTask]:
    return draw_tasks(of_each_level=10, seed=0)


def test_there_are_four_kinds_at_four_levels_in_two_domains(pool: list[DemoTask]):
    levels = {task.id.rsplit("-", 2)[0] for task in pool}
    assert len(levels) == sum(len(kind.levels) for kind in WORDS_AND_LISTS.values()) == 16
    assert {task.domain for task in pool} == {"words", "numbers"}


@pytest.mark.parametrize("kinds", SETS)
def test_reasoning_gyms_scorer_passes_the_target_and_not_another(kinds: str):
    for task in draw_tasks(of_each_level=10, seed=0, of=SETS[kinds]):
        assert task.passes(task.target), task
        assert not task.passes(task.target + " 7"), task


def test_completions_are_read_as_tokens_with_spaces_between(pool: list[DemoTask]):
    backward = next(task for task in pool if task.kind == "spell_backward")
    assert backward.passes(" ".join(backward.target))


def test_prompts_hold_what_the_question_asks(pool: list[DemoTask]):
    for task in pool:
        if task.kind in ("number_sorting", "number_filtering"):
            numbers = task.prompt.rstrip("=").split(":")[-1].lstrip("S<>").split()
            assert set(task.target.split()) <= set(numbers)


def test_the_same_seed_draws_the_same_tasks(pool: list[DemoTask]):
    assert draw_tasks(of_each_level=10, seed=0) == pool


def test_other_draws_keep_apart(pool: list[DemoTask]):
    others = draw_tasks(of_each_level=300, seed=1, apart_from=pool)
    prompts = [task.prompt for task in pool + others]
    assert len(set(prompts)) == len(prompts)
    assert len({task.id for task in pool + others}) == len(prompts)


def test_the_second_set_has_levels_that_are_not_taught(pool: list[DemoTask]):
    taught = {name: kind.taught for name, kind in GRIDS_AND_SUMS.items()}
    every, some = (draw_tasks(of_each_level=10, seed=0, of=of) for of in (GRIDS_AND_SUMS, taught))
    untaught = {task.id.rsplit("-", 2)[0] for task in every} - {task.id.rsplit("-", 2)[0] for task in some}
    assert untaught == {"spiral_matrix-2", "rotate_matrix-3", "chain_sum-3"}
    assert not {task.domain for task in every} & {task.domain for task in pool}
