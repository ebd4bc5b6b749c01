from __future__ import annotations

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.status import RunStatus
from tests.core import runs

DOMAINS = ("c", "a", "b")
TABLE = runs.table_of([(f"{domain}1", domain, {"w": 0.0, "s": 1.0}) for domain in DOMAINS])
CONFIG = RunConfig("p", posterior=Bots(implicit=Interpolation("w", "s")))


def test_a_run_without_tasks_stands_at_nothing():
    state = runs.started(CONFIG, TABLE, tasks=0)
    status = RunStatus.of("run", state)
    assert (status.tasks, status.never_selected, state.evidence_at) == (0, 0, None)
    assert status.etr.by_domain == status.capability == {}


def test_a_run_has_the_domains_of_its_own_tasks():
    assert list(RunStatus.of("run", runs.started(CONFIG, TABLE, tasks=2)).capability) == ["c", "a"]


def test_the_first_domains_stand_as_they_do_among_all():
    state = runs.started(CONFIG, TABLE)
    state = runs.commit(state, {f"{domain}1": (1, 2) for domain in DOMAINS})
    whole, first = RunStatus.of("run", state), RunStatus.of("run", state, domains=2)
    assert list(whole.capability) == list(whole.etr.by_domain) == list(DOMAINS)
    assert first.capability == {domain: whole.capability[domain] for domain in DOMAINS[:2]}
    assert first.etr.by_domain == {"c": 1.0, "a": 1.0}
    assert RunStatus.of("run", state, domains=50) == whole


def test_the_evidence_is_as_old_as_the_last_commit_or_the_run():
    state = fold(None, runs.created(CONFIG, 3) | {"at": 1000}, TABLE)
    state = fold(state, runs.selected("s", ["a1"]) | {"at": 2000}, TABLE)
    assert state.evidence_at == 1000
    state = fold(state, runs.committed("s", {"a1": (1, 2)}) | {"at": 3000}, TABLE)
    assert state.evidence_at == 3000
