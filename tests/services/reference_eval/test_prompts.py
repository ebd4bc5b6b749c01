from __future__ import annotations

from pathlib import Path

import pytest

from selector_api.cli.failures import Failure
from services.reference_eval.config import Model
from services.reference_eval.prompts import load_tokenizer, tokens
from tests.services.tiny import LETTERS

TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] + message['content'] + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}{% if thinking %}think{% endif %}"
)
CHAT = [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]


def read(prompt: str | list[dict[str, str]], model: Model, template: str | None) -> str:
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = template
    return "".join(LETTERS[token] for token in tokens(prompt, tokenizer, model))


def test_a_text_is_taken_as_it_is(model: Path):
    assert read("hi", Model(path=str(model)), TEMPLATE) == "hi"


def test_a_chat_goes_through_the_chat_template_up_to_the_answer(model: Path):
    assert read(CHAT, Model(path=str(model)), TEMPLATE) == "sbe<end>uhi<end>a"


def test_the_chat_template_gets_its_arguments(model: Path):
    about = Model(path=str(model), chat_template_arguments={"thinking": True})
    assert read(CHAT, about, TEMPLATE) == "sbe<end>uhi<end>athink"


def test_a_chat_needs_a_chat_template(model: Path):
    with pytest.raises(Failure, match=r"model\.path: .* has no chat template"):
        read(CHAT, Model(path=str(model)), None)


def test_a_model_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Failure, match=r"model\.path: got .*; no tokenizer can be loaded"):
        load_tokenizer(Model(path=str(tmp_path / "nothing")))
