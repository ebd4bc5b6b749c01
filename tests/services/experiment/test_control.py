from pathlib import Path

import numpy as np
import pytest

from selector_api.core.classes import Classes
from services.experiment.control.counts import KAPPA, PHI, Counts, CountsPosterior
from services.processes.local_selector import running_service
from trainer_client import Outcome, SelectorClient, Task


def posterior(tasks: int = 400) -> CountsPosterior:
    """Of tasks in two domains, half of them in each."""
    made = Counts().initial()
    made.grow(Classes.of(0).grown(np.repeat([0, 1], tasks // 2).astype(np.int32), np.empty((tasks, 0))))
    return made


def observe(to: CountsPosterior, tasks: list[int], successes: list[float], trials: float = 8.0) -> None:
    to.observe(np.array(tasks), np.array(successes), np.full(len(tasks), trials), np.zeros(len(tasks)))


def gauge(of: CountsPosterior, which: int) -> float:
    """κ (0) or φ (1)."""
    value = of.metrics()[which].values
    assert isinstance(value, float)
    return value


def test_a_class_has_the_rate_of_its_tasks_at_their_first_report():
    counts = posterior()
    observe(counts, [0, 1, 200], [8, 4, 0])
    first = counts.of_classes().mean()
    assert first[0] == pytest.approx((12 + 2 * 13 / 26) / 18)
    assert first[1] == pytest.approx((0 + 2 * 13 / 26) / 10)
    before = counts.of_classes().mean()[0]
    observe(counts, [0], [0])  # seen again: tells nothing of tasks that were not
    assert counts.of_classes().mean()[0] == pytest.approx(before, abs=0.01)


def test_own_counts_stand_beside_the_class_and_fade():
    counts = posterior()
    observe(counts, [0], [8])
    told = counts.of_tasks(np.array([0, 1]))
    rate = counts.of_classes().mean()[0]
    assert told.alpha[1] == pytest.approx(counts.of_classes().alpha[0])
    assert counts.individuals().tolist() == [0]
    assert told.mean()[0] > rate > 0.5


def test_the_weight_of_a_class_and_the_fading_are_learned():
    random = np.random.default_rng(1)
    alike, apart = posterior(), posterior()
    for counts, rates in ((alike, np.full(400, 0.5)), (apart, random.integers(0, 2, 400) * 0.9 + 0.05)):
        for _ in range(150):
            tasks = random.permutation(400)[:16]
            observe(counts, tasks.tolist(), random.binomial(8, rates[tasks]).tolist())
    kappa = [gauge(counts, 0) for counts in (alike, apart)]
    assert kappa[0] == KAPPA[-1]  # one rate for all
    assert kappa[1] <= 1.0  # each task for itself
    assert gauge(apart, 1) >= 0.99  # nothing moves

    moving = posterior(20)
    for step in range(300):
        observe(moving, list(range(20)), [8.0 if step % 40 < 20 else 0.0] * 20)
    assert gauge(moving, 1) == PHI[-1]


def test_arrays_bring_it_back_and_a_copy_stands_alone():
    counts = posterior()
    observe(counts, [0, 1, 200], [8, 4, 0])
    copy = counts.copy()
    again = Counts().restored(counts.classes, counts.to_arrays())
    observe(counts, [0], [0])
    for other in (copy, again):
        assert other.own[0, 0].tolist() == [8.0, 0.0]
        assert other.evidence.tolist() == copy.evidence.tolist()
    assert set(counts.capability()) == {0, 1}
    counts.inform(np.array([5]), np.array([1.0]), np.array([2.0]), np.zeros(1))
    assert counts.of_tasks(np.array([5])).mean()[0] != pytest.approx(counts.of_classes().mean()[0])


def test_the_experiments_own_selector_has_it_and_no_other(tmp_path: Path, service_url: str):
    with (
        running_service(tmp_path, module="services.experiment.control") as url,
        SelectorClient(url, "run") as client,
    ):
        client.create_pool("tasks")
        client.add_tasks("tasks", [Task(id=str(number)) for number in range(20)])
        client.create_run("run", "tasks", posterior={"type": "counts"}, policy={"type": "signal"})
        selection = client.select(4)
        client.report(selection, [Outcome(task=task, successes=1, trials=2) for task in selection.tasks])
        assert client.run_status("run").step == 1
    with SelectorClient(service_url) as client:
        client.create_pool("counts")
        with pytest.raises(Exception, match="posterior: type must be one of"):
            client.create_run("counts", "counts", posterior={"type": "counts"})
