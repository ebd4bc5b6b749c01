from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from services.reference_eval.config import Model, Sampling, TransformersEngine
from services.reference_eval.transformers_engine import Transformers
from tests.services.tiny import LETTERS, save_tiny_model

PROMPTS = [[4, 9, 7, 20], [15], [3, 3, 12, 25, 8, 6, 11], [22, 5]]
ENDS = [1, 5]


@pytest.fixture(scope="module")
def headstrong_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that ends at two tokens, and whose checkpoint asks for sampling of its own kind."""
    folder = save_tiny_model(tmp_path_factory.mktemp("model"))
    generation = GenerationConfig(
        do_sample=True, top_k=2, temperature=3.0, repetition_penalty=9.0, eos_token_id=ENDS, pad_token_id=0
    )
    generation.save_pretrained(folder)
    return folder


def load(model: Path, batch: int = 8, **sampling: float) -> Transformers:
    return Transformers(
        TransformersEngine(type="transformers", batch=batch, device="cpu"),
        Model(path=str(model), dtype="float32"),
        Sampling.model_validate({"max_tokens": 6, **sampling}),
        AutoTokenizer.from_pretrained(model),
    )


@torch.no_grad()
def greedy(model: Path, prompt: list[int], tokens: int) -> list[str]:
    """The likeliest completion's letters, by going through the model once a token."""
    network, ids = AutoModelForCausalLM.from_pretrained(model), list(prompt)
    while len(ids) < len(prompt) + tokens:
        token = int(network(torch.tensor([ids])).logits[0, -1].argmax())
        if token in ENDS:
            break
        ids.append(token)
    return [LETTERS[token] for token in ids[len(prompt) :]]


def test_completions_continue_their_prompts_whatever_else_is_in_the_batch(headstrong_model: Path):
    engine = load(headstrong_model, samples=2, temperature=1e-4)
    for prompt, completions in zip(PROMPTS, engine.generate(PROMPTS, [1, 2, 3, 4]), strict=True):
        likeliest = "".join(greedy(headstrong_model, prompt, 6)).replace("<pad>", "")
        assert [text.replace(" ", "") for text in completions] == [likeliest] * 2


def test_samples_depend_on_the_prompt_and_its_seed_alone(headstrong_model: Path):
    engine = load(headstrong_model, samples=8)
    together = engine.generate(PROMPTS, [1, 2, 3, 4])
    alone = [engine.generate([prompt], [seed])[0] for seed, prompt in enumerate(PROMPTS, 1)]
    assert together == alone
    assert len({text for texts in alone for text in texts}) > len(PROMPTS)
    assert engine.generate(PROMPTS[:1], [5]) != alone[:1]


@torch.no_grad()
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (2.0, 0.7)])
def test_tokens_are_drawn_by_temperature_and_top_p_alone(
    headstrong_model: Path, temperature: float, top_p: float
):
    draws = 20_000
    engine = load(headstrong_model, samples=draws, temperature=temperature, top_p=top_p, max_tokens=1)
    [texts] = engine.generate([PROMPTS[0]], [0])
    network = AutoModelForCausalLM.from_pretrained(headstrong_model)
    logits = network(torch.tensor([PROMPTS[0]])).logits[0, -1].double()
    likeliest = (logits / temperature).softmax(dim=0).sort(descending=True)
    kept = int((likeliest.values.cumsum(dim=0) < top_p).sum()) + 1
    expected: Counter[str] = Counter()
    for token, weight in zip(
        likeliest.indices[:kept].tolist(), likeliest.values[:kept].tolist(), strict=True
    ):
        text = "" if token in (0, *ENDS) else LETTERS[token]
        expected[text] += weight / likeliest.values[:kept].sum().item()
    seen = Counter(texts)
    assert set(seen) <= set(expected)
    for text, probability in expected.items():
        five_sigma = 5 * (probability * (1 - probability) / draws) ** 0.5
        assert abs(seen[text] / draws - probability) <= five_sigma


def test_a_completion_stops_at_each_of_the_ends(headstrong_model: Path):
    engine = load(headstrong_model, samples=64, max_tokens=20)
    [texts] = engine.generate([PROMPTS[0]], [0])
    assert all(LETTERS[ENDS[1]] not in text for text in texts)
    assert len({len(text) for text in texts}) > 3
