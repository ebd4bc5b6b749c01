from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from services.demo.kinds import SETS
from services.demo.model import ARCHITECTURES, END, make_model, make_tokenizer, teach
from services.demo.prepare import SETTINGS
from services.demo.tasks import draw_tasks


@pytest.fixture(autouse=True)
def one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("kinds", SETS)
def test_a_model_reads_and_writes_all_that_its_tasks_have(kinds: str):
    architecture = ARCHITECTURES[kinds]
    tokenizer = make_tokenizer(architecture)
    longest = SETTINGS["words" if kinds == "words and lists" else "grids"].answer_tokens
    for task in draw_tasks(of_each_level=20, seed=0, of=SETS[kinds]):
        assert tokenizer.pad_token_id not in tokenizer(task.prompt + task.target)["input_ids"]
        answer = tokenizer(task.target + END)["input_ids"]
        assert len(answer) <= longest
        completion = tokenizer.decode(answer, skip_special_tokens=True)
        assert isinstance(completion, str)
        assert task.passes(completion)
    assert make_model(architecture).config.vocab_size == len(architecture.vocabulary)


def test_a_token_is_a_letter_a_sign_or_a_number():
    tokenizer = make_tokenizer()
    ids = tokenizer("K<36:7 10=ab" + END)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["K", "<", "36", ":", "7", "10", "=", "a", "b", END]


def test_teaching_saves_each_checkpoint_when_its_accuracy_is_reached(tmp_path: Path):
    examples = draw_tasks(of_each_level=2, seed=0)
    model, goals = make_model(), {0.0: tmp_path / "first", 0.02: tmp_path / "second"}
    seen = list(teach(model, make_tokenizer(), examples, examples, goals, max_steps=1000))
    assert [accuracy >= 0.02 for _, accuracy in seen] == [False] * (len(seen) - 1) + [True]
    first, second = (LlamaForCausalLM.from_pretrained(folder).state_dict() for folder in goals.values())
    name = "model.norm.weight"
    assert torch.equal(second[name], model.state_dict()[name])
    assert not torch.equal(first[name], second[name])


def test_teaching_that_does_not_get_there_says_so(tmp_path: Path):
    examples = draw_tasks(of_each_level=2, seed=0)
    with pytest.raises(RuntimeError, match="50 steps of supervised training did not reach"):
        list(teach(make_model(), make_tokenizer(), examples, examples, {0.9: tmp_path / "weights"}, 50))
