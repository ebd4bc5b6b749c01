from contextlib import ExitStack

from services.experiment.capability import capability_at
from trainer_client import SelectorClient, Task


def test_it_is_the_runs(service_url: str):
    with SelectorClient(service_url) as client, ExitStack() as opened:
        client.create_pool("capability")
        client.add_tasks(
            "capability", [Task(id="a", domain="words", references={"weak": 0.25, "strong": 0.75})]
        )
        implicit = {"type": "interpolation", "weak": "weak", "strong": "strong"}
        client.create_run("capability", "capability", implicit=implicit)
        ask = capability_at(service_url, opened)
        assert ask("capability") == client.run_status("capability").capability == {"words": None}


def test_without_an_answer_there_is_none():
    with ExitStack() as opened:
        for url in ("http://127.0.0.1:9", "nowhere"):
            assert capability_at(url, opened)("run") == {}
