import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bots import run as run_commands
from bots.run_course import sparkline
from tests.bots.conftest import Bots, client_of, commit
from trainer_client import FakeSelector, SelectorClient, Task


def rows(table: str) -> dict[str, list[str]]:
    """The lines of a printed table by their first word, each split into words."""
    return {words[0]: words[1:] for words in map(str.split, table.splitlines()) if words}


def body(fake: FakeSelector) -> dict[str, Any]:
    """The body of the last request."""
    return json.loads(fake.requests[-1].content)


class TestCreate:
    @pytest.fixture(autouse=True)
    def _pool(self, fake: FakeSelector) -> None:
        with client_of(fake) as client:
            client.create_pool("p")

    def test_without_options_all_is_left_to_the_service(self, bots: Bots, fake: FakeSelector):
        result = bots("run", "create", "r", "--pool", "p")
        assert result.exit_code == 0
        assert result.stdout == "run 'r': 0 tasks of pool 'p', step 0\n"
        assert body(fake) == {"pool": "p"}

    def test_every_option_goes_to_its_place(self, bots: Bots, fake: FakeSelector):
        bots(
            *(
                "run",
                "create",
                "r",
                "--pool",
                "p",
                "--seed",
                7,
                "--policy",
                "posterior-mean",
                "--target",
                0.6,
            ),
            *("--temperature", 0.1, "--exploration", 0.2, "--forgetting", 0.3, "--implicit-weight", 0.4),
            *("--rollouts", 8, "--weak", "w", "--strong", "s", "--lease-seconds", 60, "--share-leased"),
        )
        assert body(fake) == {
            "pool": "p",
            "seed": 7,
            "posterior": {"type": "bots", "forgetting": 0.3, "implicit_weight": 0.4, "rollouts": 8},
            "implicit": {"type": "interpolation", "weak": "w", "strong": "s"},
            "policy": {"type": "posterior-mean", "target": 0.6, "temperature": 0.1, "exploration": 0.2},
            "lease_seconds": 60.0,
            "share_leased": True,
        }

    def test_every_option_is_explained_by_the_schema(self, bots: Bots, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("COLUMNS", "240")
        lines = bots("run", "create", "--help").stdout.splitlines()
        options = {words[1]: words[3:] for line in lines if (words := line.split())[1:2] and "--" in words[1]}
        assert all(len(words) > 1 for words in options.values())
        assert "λ: share that returns to the prior at every commit" in " ".join(options["--forgetting"])
        assert " ".join(options["--lease-seconds"]).endswith("[default: (3600)] │")
        policies = [
            *("thompson", "posterior-mean", "signal", "random", "sequential", "shuffle", "easy-to-hard")
        ]
        assert f": {', '.join(policies)} [default: (thompson)]" in " ".join(options["--policy"])

    def test_a_member_of_a_kind_names_the_default_kind(self, bots: Bots, fake: FakeSelector):
        bots("run", "create", "r", "--pool", "p", "--target", 0)
        assert body(fake) == {"pool": "p", "policy": {"type": "thompson", "target": 0.0}}

    @pytest.mark.parametrize(
        ("options", "posterior", "policy"),
        [
            (("--posterior", "rasch"), {"type": "rasch"}, None),
            (
                ("--posterior", "rasch", "--exploration", 0.1),
                {"type": "rasch"},
                {"type": "signal", "exploration": 0.1},
            ),
            (
                ("--posterior", "rasch", "--target", 0.4),
                {"type": "rasch"},
                {"type": "thompson", "target": 0.4},
            ),
            (
                ("--reference", "b", "--reference", "a", "--policy", "random"),
                {"type": "rasch", "references": ["b", "a"]},
                {"type": "random"},
            ),
            (("--power", 2), None, {"type": "signal", "power": 2.0}),
            (
                ("--policy", "signal", "--power", 2, "--exploration", 0.1, "--forgetting", 0.01),
                {"type": "bots", "forgetting": 0.01},
                {"type": "signal", "power": 2.0, "exploration": 0.1},
            ),
            (("--exploration", 0.1), None, {"type": "thompson", "exploration": 0.1}),
        ],
    )
    def test_every_kind_can_be_made(
        self, bots: Bots, fake: FakeSelector, options: tuple[object, ...], posterior: Any, policy: Any
    ):
        with client_of(fake) as client:
            client.add_tasks("p", [Task(id="a", references={"a": 0.5, "b": 0.25})])
        assert bots("run", "create", "r", "--pool", "p", *options).exit_code == 0
        assert (body(fake).get("posterior"), body(fake).get("policy")) == (posterior, policy)

    def test_a_fork_keeps_the_kinds_of_its_parent(self, bots: Bots, fake: FakeSelector):
        bots("run", "create", "r", "--pool", "p", "--posterior", "rasch", "--power", 2)
        assert bots("run", "create", "s", "--fork", "r", "--exploration", 0.1).exit_code == 0
        assert body(fake)["posterior"]["type"] == "rasch"
        assert body(fake)["policy"] == {"type": "signal", "power": 2.0, "exploration": 0.1}
        refused = bots("run", "create", "t", "--fork", "r", "--forgetting", 0.1)
        assert refused.exit_code == 2
        assert "posterior" in refused.stderr

    def test_a_config_file_is_the_body(self, bots: Bots, fake: FakeSelector, tmp_path: Path):
        with client_of(fake) as client:
            client.add_tasks("p", [Task(id=name, domain=name) for name in "ab"])
        config = {"pool": "p", "seed": 3, "policy": {"type": "random", "domains": {"a": 0.5, "b": 0.5}}}
        (tmp_path / "run.json").write_text(json.dumps(config))
        result = bots("run", "create", "r", "--config", tmp_path / "run.json")
        assert result.exit_code == 0
        assert body(fake) == config

    @pytest.mark.parametrize(
        "content", ["{", "[]", "{}", '{"pool": "p", "sead": 1}', '{"pool": "p", "seed": NaN}']
    )
    def test_a_config_file_that_is_none_is_named(
        self, bots: Bots, fake: FakeSelector, tmp_path: Path, content: str
    ):
        (tmp_path / "run.json").write_text(content)
        before = len(fake.requests)
        result = bots("run", "create", "r", "--config", tmp_path / "run.json")
        assert result.exit_code == 2
        assert f"Error: {tmp_path / 'run.json'}: " in result.stderr
        assert len(fake.requests) == before

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("--pool", "p", "--weak", "w"),
            ("--pool", "p", "--strong", "s"),
            ("--pool", "p", "--seed", "x"),
            ("--pool", "p", "--config", __file__),
            ("--config", "missing.json"),
        ],
    )
    def test_mistakes_exit_with_2(self, bots: Bots, fake: FakeSelector, options: tuple[str, ...]):
        result = bots("run", "create", "r", *options)
        assert result.exit_code == 2
        assert result.stdout == ""

    def test_a_refusal_is_printed(self, bots: Bots, fake: FakeSelector):
        bots("run", "create", "r", "--pool", "p")
        result = bots("run", "create", "r", "--pool", "p", "--seed", 1)
        assert result.exit_code == 2
        assert "Error: Run 'r' is there with another config. (run-conflict, HTTP 409)" in result.stderr


def test_the_service_takes_what_create_sends(bots: Bots, service_url: str, run: str):
    options = ("--policy", "posterior-mean", "--exploration", 0.25, "--forgetting", 0.2, "--rollouts", 8)
    references = ("--weak", "weak", "--strong", "strong")
    for _ in range(2):
        result = bots("run", "create", f"{run}-2", "--pool", run, *options, *references, "--url", service_url)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"run '{run}-2': 12 tasks of pool '{run}', step 0\n"
    refused = bots("run", "create", f"{run}-3", "--pool", run, "--target", 2, "--url", service_url)
    assert refused.exit_code == 2
    assert "target" in refused.stderr


def test_show_prints_config_and_state(bots: Bots, service_url: str, run: str):
    result = bots("run", "show", run, "--url", service_url)
    assert result.exit_code == 0
    shown = rows(result.stdout)
    assert shown["pool"] == [run]
    assert shown["step"] == ["1"]
    assert shown["never"] == ["selected", "8"]
    assert "committed 1" in " ".join(result.stdout.split())
    assert shown["ETR"][-1] == "1.000"
    with SelectorClient(service_url, run=run) as client:
        for domain, capability in client.run_status().capability.items():
            assert shown[domain][0] == ("–" if capability is None else f"{capability:.3f}")


def test_show_tells_what_should_be_seen_to(bots: Bots, service_url: str, run: str):
    fork = f"{run}-warned"
    with SelectorClient(service_url, run=fork) as client:
        client.fork_run(fork, run, step=1, policy={"type": "random", "domains": {"algebra": 1}})
        client.exclude(["task-0"])
        warnings = client.run_status().warnings
    result = bots("run", "show", fork, "--url", service_url)
    assert rows(result.stdout)["excluded"] == ["1"]
    assert f"run {run}, step 1" in " ".join(result.stdout.split())
    assert warnings
    assert all(" ".join(each.split()) in " ".join(result.stdout.split()) for each in warnings)


def test_show_as_markdown(bots: Bots, service_url: str, run: str):
    result = bots("run", "show", run, "--markdown", "--url", service_url)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"## Run `{run}`\n\n- step 1 over 12 tasks")
    assert [line.split("|")[1].strip() for line in result.stdout.splitlines() if line.startswith("| ")] == [
        "domain",
        "algebra",
        "sets",
    ]
    assert bots("run", "status", run, "--markdown", "--url", service_url).stdout == result.stdout


def test_a_sparkline_is_a_bar_a_value():
    assert sparkline([0, 0.5, None, 1, 2]) == "▁▅ ██"


def test_show_of_no_run_says_so(bots: Bots, service_url: str):
    result = bots("run", "show", "no-such-run", "--url", service_url)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "(unknown-run, HTTP 404" in result.stderr


class TestWatch:
    def test_it_shows_the_latest_state_and_ends_cleanly(
        self, bots: Bots, service_url: str, run: str, monkeypatch: pytest.MonkeyPatch
    ):
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                raise KeyboardInterrupt
            with SelectorClient(service_url, run=run) as client:
                commit(client)

        monkeypatch.setattr(run_commands, "time", SimpleNamespace(sleep=sleep))
        result = bots("run", "watch", run, "--interval", 3, "--url", service_url)
        assert result.exit_code == 0
        assert pauses == [3.0, 3.0]
        assert rows(result.stdout)["step"] == ["2"]
        assert "▁" in result.stdout or "█" in result.stdout
        assert {"hardest", "easiest", "commits"} <= rows(result.stdout).keys()

    def test_it_outlives_a_service_that_is_away(
        self, bots: Bots, fake: FakeSelector, monkeypatch: pytest.MonkeyPatch
    ):
        with client_of(fake) as client:
            client.create_pool("p")
            client.create_run("r", "p")
        looks = iter([fake.down, fake.up, lambda: fake.fail_next(status=503)])

        def sleep(_: float) -> None:
            action = next(looks, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        monkeypatch.setattr(run_commands, "time", SimpleNamespace(sleep=sleep))
        result = bots("run", "watch", "r")
        assert result.exit_code == 0
        assert rows(result.stdout)["step"] == ["0"]
        assert "HTTP 503" in result.stdout

    def test_a_service_that_was_never_there_is_a_failure(self, bots: Bots, fake: FakeSelector):
        fake.down()
        result = bots("run", "watch", "r")
        assert result.exit_code == 1
        assert "no service at http://127.0.0.1:8000" in result.stderr
