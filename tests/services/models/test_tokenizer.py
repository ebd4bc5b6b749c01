from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.command_line.failures import Failure
from services.models.tokenizer import load_tokenizer, tokens
from tests.services.tiny import LETTERS, save_tiny_model

TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] + message['content'] + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}{% if thinking %}think{% endif %}"
)
CHAT = [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("prompts") / "model")


def read(model: Path, prompt: str | list[dict[str, str]], template: str | None, **arguments: Any) -> str:
    tokenizer = load_tokenizer(str(model))
    tokenizer.chat_template = template
    return "".join(LETTERS[token] for token in tokens(prompt, tokenizer, arguments))


def test_a_text_is_taken_as_it_is(model: Path):
    assert read(model, "hi", TEMPLATE) == "hi"


def test_a_chat_goes_through_the_chat_template_up_to_the_answer(model: Path):
    assert read(model, CHAT, TEMPLATE) == "sbe<end>uhi<end>a"


def test_the_chat_template_gets_its_arguments(model: Path):
    assert read(model, CHAT, TEMPLATE, thinking=True) == "sbe<end>uhi<end>athink"


def test_a_chat_needs_a_chat_template(model: Path):
    with pytest.raises(Failure, match=r"model\.path: .* has no chat template"):
        read(model, CHAT, None)


def test_a_model_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Failure, match=r"model\.path: got .*; no tokenizer can be loaded"):
        load_tokenizer(str(tmp_path / "nothing"))
