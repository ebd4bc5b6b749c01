from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.texts import Texts
from selector_api.store.arrow_columns import containing

TEXTS = ["math/1", "math/10", "maß/1", "", "h/1", "1math/", "%.*", "maße", "日本", "本日"]


@pytest.mark.parametrize("text", ["math/1", "1", "1m", "ß", "ß/", "aß", "本", "本日", ".", "%.*", "nowhere"])
def test_texts_that_contain_another_are_found_within_each(text: str) -> None:
    """As Python finds them: no pattern, and not where one text ends and the next one begins."""
    texts = Texts.of(TEXTS)
    assert containing(texts, text).tolist() == [text in each for each in TEXTS]
    assert containing(texts.slice(2, 9), text).tolist() == [text in each for each in TEXTS[2:9]]


def test_nothing_is_found_in_no_texts() -> None:
    found = containing(Texts.of([]), "a")
    assert (found.dtype, found.shape) == (np.bool_, (0,))
