"""The rasch posterior against numbers of another implementation, and against one dense normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from selector_api.core.posteriors import rasch
from tests.core.posteriors.rasch_runs import (
    EXAMPLE,
    EXAMPLE_CLASSES,
    EXAMPLE_COMMITS,
    EXAMPLE_OF_TASK,
    commit,
    posterior_of,
)


def assert_close(value, expected, stage=""):
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=stage)


def test_the_worked_example():
    of_task = np.array(EXAMPLE_OF_TASK)
    posterior = posterior_of(np.array(EXAMPLE_CLASSES)[of_task], of_task == 5)
    number = posterior._classes.of_task  # pyright: ignore[reportPrivateUsage]
    first = [int(number[EXAMPLE_OF_TASK.index(each)]) for each in range(6)]
    for stage, commits in EXAMPLE_COMMITS.items():
        for outcomes in commits:
            successes, trials = zip(*outcomes.values(), strict=True)
            commit(posterior, list(outcomes), successes, trials)
        told = EXAMPLE[stage]
        classes = posterior.of_classes().take(np.array(first))
        tasks = posterior.of_tasks(np.array([0, 2, 3, 6, 9]))
        for name, value in (
            ("class_mu", classes.mu),
            ("class_sigma", classes.sigma),
            ("class_mean", classes.mean()),
            ("class_sd", classes.sd()),
            ("class_signal", classes.signal()),
            ("task_mu", tasks.mu),
            ("task_sigma", tasks.sigma),
        ):
            assert_close(value, told[name], f"{stage}: {name}")
        weights = posterior.reference_weights()
        assert [each.weight for each in weights.values()] == pytest.approx(told["weights"][1:5:2], rel=1e-9)
        assert [each.sd for each in weights.values()] == pytest.approx(told["weights_sd"][1:5:2], rel=1e-9)
        levels = special.expit(told["weights"][0] + np.array(told["delta"][::5]))
        for domain, level in posterior.capability().items():
            assert level == pytest.approx(levels[domain], rel=1e-9)
        gauges = {gauge.name: gauge.values for gauge in posterior.metrics()}
        measured, bare = np.sqrt(told["scatter"])
        drift, level, spread = told["drifts"]
        assert gauges == pytest.approx(
            {
                "scatter": measured,
                "scatter_bare": bare,
                "task_drift": drift,
                "level_drift": level,
                "domain_spread": spread,
            },
            rel=1e-9,
        )
    last, classes = EXAMPLE["C"], posterior.of_classes().take(np.array(first))
    assert_close(classes.cdf(0.3), last["class_cdf_of_0.3"])
    assert_close(classes.ppf(np.full(6, 0.9)), last["class_ppf_of_0.9"])
    assert_close(classes.pdf(0.5), last["class_pdf_of_0.5"])


def test_the_arrow_is_the_dense_normal_distribution(monkeypatch: pytest.MonkeyPatch):
    """With outcomes that are measured logits, and no drift: over (w, δ_1 … δ_J) at once, in matrices."""
    references, domains, batch, tau2 = 2, 7, 12, 0.7
    d = 1 + 2 * references
    rng = np.random.default_rng(11)

    def measured(logit, noise, mean, variance):
        narrowed = 1.0 / (1.0 / variance + 1.0 / noise)
        return narrowed * (mean / variance + logit / noise), narrowed

    class Known:
        """A variance that is not learned."""

        def __init__(self, grid, median, sd):
            self.value = tau2 if median == 2.0 else 0.0

        def learn(self, log_likelihood, outcomes=1):
            pass

    monkeypatch.setattr(rasch, "tilted", measured)
    monkeypatch.setattr(rasch, "Scale", Known)
    rates = rng.integers(0, 17, (400, references)) / 16
    rates[rng.random(rates.shape) < 0.3] = np.nan
    domain = rng.integers(0, domains, 400)
    domain[:domains] = np.arange(domains)
    posterior = posterior_of(rates, domain)

    missing = np.isnan(rates)
    logits = special.logit((16 * np.where(missing, 0.5, rates) + 0.5) / 17)
    x = np.column_stack([np.ones(400), np.stack([logits, missing], axis=2).reshape(400, -1)])
    design = np.zeros((400, d + domains * d))
    design[:, :d] = x
    for task in range(400):
        design[task, d * (1 + domain[task]) :][:d] = x[task]
    mean = np.zeros(design.shape[1])
    mean[1:d:2] = 0.8 / references
    variances = [4.0, *[0.25, 1.0] * references] + [1.0, *[0.09] * (d - 1)] * domains
    precision = np.diag(1.0 / np.array(variances))
    pulled = precision @ mean
    # Every domain in the first commit: how the others' levels spread is learned, and is not of this test.
    for tasks in np.split(np.arange(15 * batch), 15):
        noise = rng.uniform(0.1, 3.0, batch)
        seen = rng.normal(0, 2, batch)
        commit(posterior, tasks, seen, noise)
        weighted = design[tasks].T / (noise + tau2)
        precision = precision + weighted @ design[tasks]
        pulled = pulled + weighted @ seen
    covariance = np.linalg.inv(precision)
    others = np.arange(15 * batch, 400)
    marginals = posterior.of_tasks(others)
    np.testing.assert_allclose(marginals.mu, design[others] @ covariance @ pulled, rtol=1e-10, atol=1e-10)
    expected = ((design[others] @ covariance) * design[others]).sum(axis=1) + tau2
    np.testing.assert_allclose(marginals.sigma**2, expected, rtol=1e-10)
