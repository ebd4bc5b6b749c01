"""`bots replay` and `bots run export`: on a run of a real service, on logs of earlier releases, on files."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import httpx
import pytest

from bots.replay_report import NOTE
from selector_api.core.fields import to_dict
from selector_api.core.posteriors.bots import Bots as BotsPosterior
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.store.chunks import decode_chunk
from services.processes.local_selector import running_service
from tests.bots.conftest import Bots, commit
from trainer_client import FakeSelector, SelectorClient, Task

FIXTURES = Path(__file__).parents[1] / "fixtures"
RELEASES = sorted(FIXTURES.glob("store-*.json"))
OWN = to_dict(BotsPosterior(implicit=Interpolation("weak", "strong")))

Replayed = Callable[..., dict[str, Any]]


@pytest.fixture
def replayed(bots: Bots) -> Replayed:
    """Runs `bots replay … --json`, and gives what it prints."""

    def invoke(*arguments: object) -> dict[str, Any]:
        result = bots("replay", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return invoke


@pytest.fixture
def saved(bots: Bots, service_url: str, run: str, tmp_path: Path) -> Path:
    """The file of a run: three commits of four tasks, half of whose rollouts passed."""
    with SelectorClient(service_url, run=run) as client:
        commit(client)
        commit(client)
    file = tmp_path / "run.zip"
    result = bots("run", "export", run, file, "--url", service_url)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{file}: 7 events, 12 tasks\n"
    return file


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """The log of a run of an earlier release, and the tasks of its pool."""
    keys = json.loads(request.param.read_text())["keys"]
    log, tasks = tmp_path / "events.jsonl", tmp_path / "tasks.jsonl"
    lines = [line.removeprefix("text:") for line in keys["text:bots:{run:run}:log"]["list"]]
    log.write_text("".join(f"{line}\n" for line in lines))
    with tasks.open("w") as file:
        for chunk in keys["text:bots:{pool:pool}:tasks"]["list"]:
            _, rows = decode_chunk(base64.b64decode(chunk.removeprefix("base64:")))
            for id_, domain, references in rows.told():
                file.write(json.dumps({"id": id_, "domain": domain, **references}) + "\n")
    return log, tasks


POOL = ("--domain", "domain", "--reference", "weak=weak", "--reference", "strong=strong")


def labels(log: dict[str, Any]) -> list[str]:
    return [each["label"] for each in log["posteriors"]]


def test_a_saved_run_needs_no_service(replayed: Replayed, saved: Path) -> None:
    found = replayed(saved, "--posterior", '{"forgetting": 0.01}', "--posterior", '{"type": "bots"}')
    assert found["note"] == NOTE
    (log,) = found["logs"]
    assert (log["log"], log["commits"], log["groups"]) == ("run.zip", 3, 12)
    assert labels(log) == ["as it ran", "forgetting=0.01", "bots"]
    own, slow, plain = (each["posterior"] for each in log["posteriors"])
    assert own == OWN
    assert slow == OWN | {"forgetting": 0.01}
    assert plain == to_dict(BotsPosterior())
    for each in log["posteriors"]:
        assert each["groups"] == 12
        assert sum(scores["groups"] for scores in each["by_step"]) == 12
        assert sum(scores["groups"] for scores in each["by_domain"].values()) == 12
        assert sum(each["groups"] for each in each["calibration"]) == 12
        assert each["log_loss"] > 0
    assert "all" not in found


def test_a_run_of_a_service_is_replayed_as_it_is(
    replayed: Replayed, service_url: str, run: str, saved: Path
) -> None:
    live = replayed(run, "--url", service_url)["logs"][0]
    file = replayed(saved)["logs"][0]
    assert live == file | {"log": run}


def test_a_log_and_the_tasks_as_the_service_answers_them_are_the_run(
    replayed: Replayed, bots: Bots, service_url: str, run: str, saved: Path, tmp_path: Path
) -> None:
    with SelectorClient(service_url, run=run) as client:
        pool = client.run_status().config["pool"]
    headers = {"Accept": "application/vnd.apache.parquet"}
    tasks, log = tmp_path / "tasks.parquet", tmp_path / "events.jsonl"
    tasks.write_bytes(httpx.get(f"{service_url}/pools/{pool}/tasks", headers=headers).content)
    log.write_bytes(httpx.get(f"{service_url}/runs/{run}/events").content)
    columns = ("--domain", "domain", "--reference", "strong=references.strong")
    (found,) = replayed(log, "--tasks", tasks, *columns, "--reference", "weak=references.weak")["logs"]
    assert found == replayed(saved)["logs"][0] | {"log": "events.jsonl"}
    result = bots("replay", log, "--tasks", tasks, *columns, "--reference", "weak=references.weka")
    assert "no column 'references.weka'; it has id, domain, references" in result.stderr


@pytest.mark.slow
def test_a_run_of_a_service_that_has_ended_is_replayed(replayed: Replayed, tmp_path: Path) -> None:
    with running_service(tmp_path) as url, SelectorClient(url, run="r") as client:
        client.create_pool("p")
        client.add_tasks("p", [Task(id=str(i)) for i in range(8)])
        client.create_run("r", "p")
        commit(client)
    (log,) = replayed("r", "--data-dir", tmp_path)["logs"]
    assert (log["log"], log["groups"]) == ("r", 4)
    # Half was expected of every task, and half of their rollouts passed.
    assert log["posteriors"][0]["brier"] == 0.0


def test_another_set_of_references_than_the_run_had(
    replayed: Replayed, bots: Bots, saved: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later.csv"
    later.write_text("id,rate\n" + "".join(f"task-{i},0.5\n" for i in reversed(range(12))))
    implicit = {"type": "interpolation", "weak": "weak", "strong": "better"}
    options = ("--tasks", later, "--reference", "better=rate")
    (log,) = replayed(saved, *options, "--posterior", json.dumps({"implicit": implicit}))["logs"]
    own, other = log["posteriors"]
    assert own["log_loss"] == replayed(saved)["logs"][0]["posteriors"][0]["log_loss"]
    assert other["posterior"]["implicit"]["strong"] == "better"
    assert other["log_loss"] != own["log_loss"]
    assert own["by_domain"].keys() == {"algebra", "sets"}
    later.write_text("id,rate\ntask-99,0.5\n")
    assert "'task-99' is no task of run.zip; near it: " in bots("replay", saved, *options).stderr


def test_tables_say_what_is_judged(bots: Bots, saved: Path) -> None:
    result = bots("replay", saved, "--posterior", '{"forgetting": 0.01}')
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "run.zip: 12 groups in 3 commits" in words
    assert "as it ran" in words
    assert "forgetting=0.01" in words
    assert "log-loss by domain" in words
    assert NOTE in words


def test_several_logs_are_judged_each_and_together(replayed: Replayed, bots: Bots, saved: Path) -> None:
    found = replayed(saved, saved, "--posterior", '{"forgetting": 0.01}')
    assert len(found["logs"]) == 2
    assert found["all"]["groups"] == 24
    assert labels(found["all"]) == ["as it ran", "forgetting=0.01"]
    for one, all_ in zip(found["logs"][0]["posteriors"], found["all"]["posteriors"], strict=True):
        assert all_["log_loss"] == pytest.approx(one["log_loss"])
        assert all_["by_domain"].keys() == one["by_domain"].keys()
    assert "all 2 logs" in bots("replay", saved, saved).stdout


def test_a_picture_is_drawn(bots: Bots, saved: Path, tmp_path: Path) -> None:
    picture = tmp_path / "replay.png"
    result = bots("replay", saved, "--picture", picture)
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"picture: {picture}" in result.stdout


def test_a_picture_without_matplotlib_is_refused_before_anything_is_read(
    bots: Bots, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "bots.replay_picture", raising=False)
    result = bots("replay", saved, "--picture", tmp_path / "replay.png")
    assert result.exit_code == 2
    assert "matplotlib is not installed; it comes with pip install 'bots-selector[trainer]'" in result.stderr
    assert not (tmp_path / "replay.png").exists()


class TestLogsOfEarlierReleases:
    def test_they_are_replayed_with_their_tasks(self, replayed: Replayed, earlier: tuple[Path, Path]) -> None:
        log, tasks = earlier
        (found,) = replayed(log, "--tasks", tasks, *POOL, "--posterior", '{"type": "bots"}')["logs"]
        assert (found["commits"], found["groups"]) == (10, 30)
        assert labels(found) == ["as it ran", "bots"]
        assert found["posteriors"][0]["by_domain"].keys() == {"math", "code"}
        # Both releases wrote the same run down.
        assert found["posteriors"][0]["log_loss"] == pytest.approx(1.014341967309334, rel=1e-9)

    def test_they_are_replayed_under_the_learned_posterior(
        self, replayed: Replayed, earlier: tuple[Path, Path]
    ) -> None:
        log, tasks = earlier
        learned = ("--posterior", '{"type": "rasch"}')
        (found,) = replayed(log, "--tasks", tasks, *POOL, *learned)["logs"]
        own, rasch = found["posteriors"]
        assert rasch["posterior"] == {"type": "rasch", "references": ["weak", "strong"], "rounding": 16}
        assert rasch["groups"] == own["groups"]
        assert 0.5 < rasch["log_loss"] < 1.5
        (alone,) = replayed(log, *learned)["logs"]
        assert alone["posteriors"][0]["posterior"]["references"] == []

    def test_alone_they_tell_of_posteriors_without_references(
        self, bots: Bots, replayed: Replayed, earlier: tuple[Path, Path]
    ) -> None:
        log, tasks = earlier
        plain = ("--posterior", '{"type": "bots"}')
        (found,) = replayed(log, *plain)["logs"]
        assert labels(found) == ["bots"]
        (whole,) = replayed(log, "--tasks", tasks, *POOL, *plain)["logs"]
        assert found["posteriors"][0]["log_loss"] == whole["posteriors"][1]["log_loss"]
        told = bots("replay", log, *plain).stderr
        assert "the run's own posterior reads the references weak, strong, which are not there" in told
        assert "It is left out" in told

    def test_alone_they_do_not_tell_of_their_own(self, bots: Bots, earlier: tuple[Path, Path]) -> None:
        result = bots("replay", earlier[0])
        assert result.exit_code == 2
        assert "weak, strong" in result.stderr
        assert "`bots run export`" in result.stderr

    def test_compressed(self, replayed: Replayed, earlier: tuple[Path, Path], tmp_path: Path) -> None:
        packed = tmp_path / "events.jsonl.gz"
        packed.write_bytes(gzip.compress(earlier[0].read_bytes()))
        assert replayed(packed, "--posterior", '{"type": "bots"}')["logs"][0]["groups"] == 30


class TestOutcomes:
    ROWS = ((1, "a", 2, 4), (2, "b", 1, 4), (1, "b", 0, 4), (2, "a", 2.5, 4), (10, "a", 4, 4))

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "outcomes.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("step", "task", "passed", "of"), *self.ROWS])
        return path

    def test_rows_of_a_step_are_a_commit(self, replayed: Replayed, file: Path) -> None:
        columns = ("--id", "task", "--successes", "passed", "--trials", "of", "--step", "step")
        flat = '{"type": "bots", "forgetting": 0}'
        (found,) = replayed(file, *columns, "--posterior", flat)["logs"]
        assert (found["commits"], found["groups"]) == (3, 5)
        (scores,) = found["posteriors"]
        # a: .5, then 3/6, then 5.5/10; b: .5, then 1/6.
        seen = [(0.5, 0.5), (0.5, 0.0), (0.5, 0.625), (1 / 6, 0.25), (0.55, 1.0)]
        assert scores["brier"] == pytest.approx(sum((p - x) ** 2 for p, x in seen) / 5)

    def test_without_steps_rows_are_in_order(self, replayed: Replayed, file: Path) -> None:
        columns = ("--id", "task", "--successes", "passed", "--trials", 4)
        (found,) = replayed(file, *columns, "--commit-outcomes", 2)["logs"]
        assert (found["commits"], found["groups"], labels(found)) == (3, 5, ["bots"])

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--successes", "passed"], "give both or neither"),
            (["--step", "step"], "it goes with --successes and --trials"),
            (["--successes", "passd", "--trials", "of"], "no column 'passd'"),
            (
                ["--successes", "of", "--trials", "passed"],
                "outcomes.csv, line 2, column 'of': got 4.0. It is from 0 to the trials, 2",
            ),
            (["--successes", "task", "--trials", "4"], "It is a number"),
            (["--successes", "passed", "--trials", "0"], "There is at least one trial"),
        ],
    )
    def test_what_cannot_be(self, bots: Bots, file: Path, options: list[str], words: str) -> None:
        result = bots("replay", file, "--id", "task", *options)
        assert result.exit_code != 0
        assert words in result.stderr

    def test_two_rows_that_contradict_each_other(self, bots: Bots, tmp_path: Path) -> None:
        file = tmp_path / "outcomes.jsonl"
        rows = [{"id": "a", "of": domain, "s": 1} for domain in ("sets", "algebra")]
        file.write_text("\n".join(map(json.dumps, rows)))
        result = bots("replay", file, "--domain", "of", "--successes", "s", "--trials", 2)
        assert result.exit_code == 2
        assert "line 2: task 'a' has another domain" in result.stderr

    def test_more_passed_than_there_were(self, bots: Bots, tmp_path: Path) -> None:
        file = tmp_path / "outcomes.csv"
        file.write_text("id,s,of\na,1234568,1234567\n")
        result = bots("replay", file, "--successes", "s", "--trials", "of")
        assert "got 1234568.0. It is from 0 to the trials, 1234567.0" in result.stderr

    def test_no_row(self, bots: Bots, tmp_path: Path) -> None:
        file = tmp_path / "outcomes.csv"
        file.write_text("id,s\n")
        assert "there is no row in it" in bots("replay", file, "--successes", "s", "--trials", 2).stderr


class TestPosteriors:
    def test_files(self, replayed: Replayed, saved: Path, tmp_path: Path) -> None:
        slow = tmp_path / "slow.yaml"
        slow.write_text("type: bots\nforgetting: 0.01\n")
        config = tmp_path / "other.json"
        config.write_text(json.dumps({"pool": "p", "posterior": {"type": "bots", "prior": [2, 1]}}))
        of_0_2 = tmp_path / "old.json"
        of_0_2.write_text(json.dumps({"posterior": {"type": "bots"}, "implicit": OWN["implicit"]}))
        options = [text for file in (slow, config, of_0_2) for text in ("--posterior", file)]
        (log,) = replayed(saved, *options)["logs"]
        assert labels(log) == ["as it ran", "slow", "other", "old"]
        posteriors = [each["posterior"] for each in log["posteriors"]]
        assert posteriors[1] == to_dict(BotsPosterior(forgetting=0.01))
        assert posteriors[2] == to_dict(BotsPosterior(prior=(2.0, 1.0)))
        assert posteriors[3] == OWN

    def test_labels_tell_what_is_in_them(self, replayed: Replayed, saved: Path) -> None:
        text = json.dumps({"type": "bots", "prior": [2, 1], "implicit": OWN["implicit"]})
        (log,) = replayed(saved, "--posterior", text)["logs"]
        implicit = "(interpolation weak=weak strong=strong smoothing=0.9)"
        assert labels(log)[1] == f"bots prior=2,1 implicit={implicit}"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                '{"type": "bots", "forgeting": 0.1}',
                "posterior.forgeting: there is no such field; near it: 'forgetting'",
            ),
            (
                '{"type": "rasch", "forgetting": 0.1}',
                "posterior.forgetting: it goes with another type: 'bots'",
            ),
            ('{"posterior": 5}', "posterior: give an object"),
            (
                '{"posterior": {"type": "rasch"}, "implicit": {"type": "none"}}',
                "implicit is evidence of a 'bots'",
            ),
            ('{"forgetting": 2}', "posterior.forgetting"),
            ('{"type": "bot"}', "'bots'"),
            ('{"type": ', "not JSON"),
            ("missing.json", "missing.json cannot be read"),
            (
                '{"implicit": {"type": "interpolation", "weak": "week", "strong": "strong"}}',
                "no task was measured with a reference named 'week'; near it: 'weak'",
            ),
        ],
    )
    def test_what_cannot_be(self, bots: Bots, saved: Path, text: str, words: str) -> None:
        result = bots("replay", saved, "--posterior", text)
        assert result.exit_code == 2
        assert words in result.stderr

    def test_no_two_have_one_name(self, bots: Bots, saved: Path) -> None:
        twice = ("--posterior", '{"type": "bots"}') * 2
        assert "two are called 'bots'" in bots("replay", saved, *twice).stderr

    def test_json_that_is_no_object(self, bots: Bots, saved: Path, tmp_path: Path) -> None:
        file = tmp_path / "list.json"
        file.write_text("[]")
        assert "got list; give an object" in bots("replay", saved, "--posterior", file).stderr


class TestWhatIsNoLog:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("not json", "line 1: not JSON"),
            ('{"id": "a"}', "line 1: there is no 'type'"),
            ('{"type": "selected", "tasks": ["a"]}', "it does not begin with the configuration of a run"),
            ("", "it does not begin with the configuration of a run"),
            ('{"type": "created", "version": 99, "config": {"pool": "p"}, "tasks": 1}', "log version 99"),
            ('{"type": "created", "version": 99, "config": {"later": 1}, "tasks": 1}', "'later'"),
            (
                '{"type": "created", "version": 2, "config": {"pool": "p"}, "tasks": 1}\n{"type": "committed"}',
                "event 2 is damaged: KeyError('outcomes')",
            ),
            (
                '{"type": "created", "version": "2", "config": {"pool": "p"}, "tasks": 1}',
                "event 1 is damaged: TypeError",
            ),
            ('{"type": "created", "version": 2, "config": [], "tasks": 1}', "the configuration of a run"),
            (
                '{"type": "created", "version": 2, "config": {"pool": "p"}, "tasks": 0}\n'
                '{"type": "committed", "selection": null, "closes": [], "reason": "final", "outcomes": [["a"]]}',
                "event 2 is damaged: IndexError",
            ),
            ('{"type": "created", "version": 2, "config": {"pool": "p"}, "tasks": 0}\n' * 2, "another log"),
            ('{"type": "observed", "rows": 5}', "event 1 is damaged: TypeError"),
            (
                '{"type": "created", "version": 2, "config": {"pool": "p"}, "tasks": 1}\n'
                '{"type": "grown", "tasks": 2}\n'
                '{"type": "selected", "selection": "s", "tasks": ["a", "b"]}\n'
                '{"type": "committed", "selection": "s", "closes": ["s"], "reason": "complete", '
                '"outcomes": {"s": [[0, 4, 8], [1, 9, 8]]}}',
                "events.jsonl: event 4: task 'b' has 9 successes out of 8 trials",
            ),
            (
                '{"type": "created", "version": 1, "config": {"pool": "p"}, "tasks": 1}\n'
                '{"type": "committed", "selection": null, "reason": "late", '
                '"outcomes": [{"task": "a", "successes": -1, "trials": 8}]}',
                "event 2: task 'a' has -1 successes out of 8 trials",
            ),
            (
                '{"type": "created", "version": 2, "config": {"pool": "p"}, "tasks": 1}\n'
                '{"type": "observed", "rows": [["a", 0, 0]]}',
                "event 2: task 'a' has 0 successes out of 0 trials",
            ),
        ],
    )
    def test_a_file(self, bots: Bots, tmp_path: Path, content: str, words: str) -> None:
        file = tmp_path / "events.jsonl"
        file.write_text(content)
        result = bots("replay", file)
        assert result.exit_code == 2
        assert words in result.stderr

    def test_a_zip_file_of_something_else(self, bots: Bots, tmp_path: Path) -> None:
        file = tmp_path / "run.zip"
        with ZipFile(file, "w") as archive:
            archive.writestr("other.txt", "")
        assert "`bots run export` writes one that has it" in bots("replay", file).stderr
        file.write_bytes(b"PK")
        assert "not readable" in bots("replay", file).stderr

    @pytest.mark.parametrize(
        "task", [{"id": "a"}, {"id": "a", "domain": "d", "references": {"weak": "x"}}, {"id": 1}]
    )
    def test_a_damaged_task(self, bots: Bots, tmp_path: Path, task: dict[str, Any]) -> None:
        file = tmp_path / "run.zip"
        with ZipFile(file, "w") as archive:
            archive.writestr("tasks.jsonl", json.dumps(task))
        result = bots("replay", file)
        assert result.exit_code == 2
        assert f"{file}, tasks.jsonl, line 1: it is not a task" in result.stderr

    def test_what_was_changed_on_its_way(self, bots: Bots, saved: Path, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl.gz"
        with ZipFile(saved) as archive:
            packed = bytearray(gzip.compress(archive.read("events.jsonl")))
        for place in range(20, 40):
            packed[place] ^= 0xFF
        file.write_bytes(packed)
        result = bots("replay", file)
        assert result.exit_code == 2
        assert f"{file}: not readable" in result.stderr

    def test_too_few_tasks(self, bots: Bots, earlier: tuple[Path, Path]) -> None:
        log, tasks = earlier
        tasks.write_text(tasks.read_text().partition("\n")[0])
        result = bots("replay", log, "--tasks", tasks, *POOL)
        assert result.exit_code == 2
        assert "the table holds 1" in result.stderr

    def test_a_name_is_a_run_unless_it_looks_like_a_file(self, bots: Bots, fake: FakeSelector) -> None:
        assert bots("replay", "no-such.zip").stderr.endswith("no-such.zip: there is no such file\n")
        assert fake.requests == []
        assert "no-such-run" in bots("replay", "no-such-run").stderr

    def test_without_a_service(self, bots: Bots) -> None:
        result = bots("replay", f"r-{uuid4().hex}", "--url", "http://127.0.0.1:9")
        assert result.exit_code == 2
        assert "there is no such file, and no service at http://127.0.0.1:9" in result.stderr


def test_an_export_has_one_format(bots: Bots, fake: FakeSelector, tmp_path: Path) -> None:
    result = bots("run", "export", "r", tmp_path / "run.tar")
    assert result.exit_code == 2
    assert "its suffix must be .zip" in result.stderr
    assert fake.requests == []
