from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from services.command_line.configuration import Section, load, load_mapping, merge, save_mapping
from services.command_line.failures import Failure


class Engine(Section):
    type: Literal["slow"]
    threads: int = 1


class FastEngine(Section):
    type: Literal["fast"]
    memory: float


class Training(Section):
    steps: Annotated[int, Field(gt=0)]
    rates: list[float] = Field(default=[])


class Config(Section):
    name: str = "unnamed"
    training: Training
    mode: Literal["quick"] | int = "quick"
    engine: Annotated[Engine | FastEngine, Field(discriminator="type")] = Engine(type="slow")


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_becomes_a_checked_configuration(tmp_path):
    path = written(tmp_path, "a.yaml", "name: first\ntraining: {steps: 3, rates: [1, 1e-6]}\n")
    config = load(path, Config)
    assert config == Config(name="first", training=Training(steps=3, rates=[1, 1e-6]))


def test_a_small_number_may_be_written_as_1e_6(tmp_path):
    """YAML takes 1e-6 for text, since it wants 1.0e-6; the configuration takes it for the number it looks like."""
    assert load(
        written(tmp_path, "a.yaml", "training: {steps: 1, rates: [1e-6]}"), Config
    ).training.rates == [1e-6]


def test_a_file_holds_only_what_differs_from_the_file_it_extends(tmp_path):
    written(tmp_path, "base.yaml", "name: base\ntraining: {steps: 3, rates: [1, 2]}\n")
    path = written(tmp_path, "below/a.yaml", "extends: ../base.yaml\ntraining: {rates: [5]}\n")
    assert load(path, Config) == Config(name="base", training=Training(steps=3, rates=[5]))


def test_a_file_may_extend_one_that_extends_another(tmp_path):
    written(tmp_path, "one.yaml", "training: {steps: 3}\n")
    written(tmp_path, "below/two.yaml", "extends: ../one.yaml\nname: two\n")
    path = written(tmp_path, "three.yaml", "extends: below/two.yaml\ntraining: {steps: 4}\n")
    assert load(path, Config) == Config(name="two", training=Training(steps=4))


def test_null_takes_a_member_away(tmp_path):
    written(tmp_path, "base.yaml", "name: base\ntraining: {steps: 3, rates: [1]}\n")
    path = written(tmp_path, "a.yaml", "extends: base.yaml\nname: null\ntraining: {rates: null}\n")
    assert load(path, Config) == Config(training=Training(steps=3))


def test_a_section_of_another_type_replaces_the_whole_section(tmp_path):
    written(tmp_path, "base.yaml", "training: {steps: 3}\nengine: {type: slow, threads: 8}\n")
    path = written(tmp_path, "a.yaml", "extends: base.yaml\nengine: {type: fast, memory: 0.5}\n")
    assert load(path, Config).engine == FastEngine(type="fast", memory=0.5)


def test_a_section_of_the_same_type_is_merged(tmp_path):
    written(tmp_path, "base.yaml", "training: {steps: 3}\nengine: {type: slow, threads: 8}\n")
    path = written(tmp_path, "a.yaml", "extends: base.yaml\nengine: {type: slow}\n")
    assert load(path, Config).engine == Engine(type="slow", threads=8)


def test_merging_leaves_both_mappings_as_they_were():
    base, changes = {"a": {"b": 1}}, {"a": {"c": {"d": None, "e": 2}}}
    assert merge(base, changes) == {"a": {"b": 1, "c": {"e": 2}}}
    assert (base, changes) == ({"a": {"b": 1}}, {"a": {"c": {"d": None, "e": 2}}})


def test_what_was_saved_is_read_again(tmp_path):
    mapping: dict[str, Any] = {"name": "Übung", "training": {"steps": 3, "rates": [1e-6]}}
    save_mapping(tmp_path / "saved.yaml", mapping)
    assert load_mapping(tmp_path / "saved.yaml") == mapping


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training: {steps: 0}", ["training.steps: got 0; it must be more than 0"]),
        ("training: {steps: 1, stpes: 2}", ["training.stpes: there is no such field; near it: 'steps'"]),
        (
            "trainig: {steps: 1}",
            ["training: it is required\n  trainig: there is no such field; near it: 'training'"],
        ),
        ("name: x", ["training: it is required"]),
        ("training: 5", ["training: got 5; it must be a mapping of fields"]),
        ("training: {steps: many}", ["training.steps: got 'many'; it must be a whole number"]),
        ("training: {steps: 1.5}", ["training.steps: got 1.5; it must be a whole number"]),
        ("training: {steps: 1, rates: 5}", ["training.rates: got 5; it must be a list"]),
        ("training: {steps: 1, rates: [1, x]}", ["training.rates[1]: got 'x'; it must be a number"]),
        ("training: {steps: 1}\nengine: {type: warp}", ["engine.type: got 'warp'", "'fast', 'slow'"]),
        ("training: {steps: 1}\nengine: {type: fats}", ["engine.type: got 'fats'", "near it: 'fast'"]),
        ("training: {steps: 1}\nengine: {threads: 1}", ["engine.type: it is required", "'fast', 'slow'"]),
        ("training: {steps: 1}\nengine: {type: fast}", ["engine.memory: it is required"]),
        (
            "training: {steps: 1}\nengine: {type: slow, thread: 1}",
            ["engine.thread: there is no such field; near it: 'threads'"],
        ),
        (
            "training: {steps: 1}\nengine: {type: fast, memory: 1, threads: 1}",
            ["engine.threads: it goes with another type: 'slow'"],
        ),
        (
            "training: {steps: 1}\nmode: {a: 1}",
            ["mode: got {'a': 1}; it must be 'quick' or it must be a whole number"],
        ),
        (f"training: {{steps: {'x' * 200}}}", [f"training.steps: got '{'x' * 79}…"]),
        ("training: {steps: -1}\nname: 5", ["training.steps: got -1", "name: got 5"]),
        ("- a", ["got a YAML list; give a mapping"]),
        ("", ["got a YAML NoneType; give a mapping"]),
        ("a: [", ["not YAML"]),
        ("extends: 5", ["extends: got 5; give the path of a YAML file"]),
        ("extends: nowhere.yaml", ["nowhere.yaml: No such file"]),
        ("extends: a.yaml", ["a.yaml: extends itself"]),
    ],
)
def test_a_mistake_is_told_with_file_field_and_value(tmp_path, text, told):
    path = written(tmp_path, "a.yaml", text)
    with pytest.raises(Failure) as failure:
        load(path, Config)
    for part in ["a.yaml", *told] if "nowhere" not in text else told:
        assert part in str(failure.value)
    assert failure.value.exit_code == 2
    for word in ("Input should", "Extra inputs", "validation error"):
        assert word not in str(failure.value)


def test_a_circle_of_files_is_told(tmp_path):
    written(tmp_path, "one.yaml", "extends: two.yaml")
    path = written(tmp_path, "two.yaml", "extends: one.yaml")
    with pytest.raises(Failure, match=r"two\.yaml: extends itself, by way of .*one\.yaml"):
        load(path, Config)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Failure, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml", Config)


def test_a_file_that_is_not_text_is_told(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Failure, match="not YAML"):
        load(tmp_path / "a.yaml", Config)
