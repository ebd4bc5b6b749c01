import math
from decimal import Decimal
from typing import Any

import pytest

from services.task_files.scales import Scale, fitting, scales_of


@pytest.mark.parametrize(
    ("scale", "value", "rate"),
    [
        ("failures/16", 16, 0.0),
        ("failures/16", 12, 0.25),
        ("failures/16", 0, 1.0),
        ("failures/16", "4", 0.75),
        ("successes/8", 3, 0.375),
        ("successes/8", 2.0, 0.25),
        ("successes/8", Decimal(8), 1.0),
        ("percent", 37.5, 0.375),
        ("percent", "37.5%", 0.375),
        ("percent", "100 %", 1.0),
        ("fraction", "3/8", 0.375),
        ("fraction", " 0 / 16 ", 0.0),
        ("fraction", "1/3", 1 / 3),
    ],
)
def test_a_scale_reads_what_is_written_on_it(scale: str, value: Any, rate: float):
    assert Scale.parse(scale).rate(value) == rate


@pytest.mark.parametrize(
    ("scale", "value"),
    [
        ("failures/16", 17),
        ("failures/16", -1),
        ("failures/16", "3/16"),
        ("successes/8", True),
        ("successes/8", math.inf),
        ("successes/8", "25%"),
        ("percent", 101),
        ("percent", "x"),
        ("percent", [1]),
        ("fraction", 0.5),
        ("fraction", 1),
        ("fraction", "9/8"),
        ("fraction", "0/0"),
        ("fraction", "-1/8"),
    ],
)
def test_a_scale_refuses_what_is_not(scale: str, value: Any):
    with pytest.raises(ValueError, match=f"By its scale, {scale}, it is"):
        Scale.parse(scale).rate(value)


@pytest.mark.parametrize(
    "text", ["", "failures", "failures/0", "failures/-1", "successes/8.5", "percents", "rate/3"]
)
def test_an_unknown_scale_is_refused_with_those_there_are(text: str):
    with pytest.raises(ValueError, match="fraction, percent, successes/N or failures/N"):
        Scale.parse(text)


def test_a_reference_has_its_own_scale_or_that_of_all():
    references = {"weak": "a", "strong": "b"}
    assert scales_of(None, {}, references) == {}
    assert scales_of("percent", {"weak": "failures/4"}, references) == {
        "weak": Scale("failures", 4),
        "strong": Scale("percent", 100),
    }
    with pytest.raises(ValueError, match="'week' is no reference; given: weak, strong"):
        scales_of(None, {"week": "percent"}, references)
    with pytest.raises(ValueError, match="got 'x'"):
        scales_of("x", {}, {})


def test_what_could_read_a_value_is_told():
    assert fitting("3/8") == "--scale fraction reads it"
    assert fitting("37%") == "--scale percent reads it"
    assert "failures/N" in fitting(16)
