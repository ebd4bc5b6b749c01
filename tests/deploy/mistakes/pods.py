"""Pods that take too much, may do too much, or end too soon."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import Mistake, container, env, mount, pods

MISTAKES: list[Mistake] = [
    (
        checks.requests_are_within_limits,
        lambda c: container(c)["resources"]["requests"].update(memory="8Gi"),
        "requests 8Gi of memory",
    ),
    (checks.requests_are_within_limits, lambda c: container(c).pop("resources"), "no limit of memory"),
    (checks.images_are_pinned, lambda c: container(c).update(image="bots-selector"), "not pinned"),
    (checks.images_are_pinned, lambda c: container(c).update(image="bots-selector:latest"), "not pinned"),
    (checks.images_are_pinned, lambda c: container(c).update(image="redis:7"), "not pinned"),
    (
        checks.pods_are_restricted,
        lambda c: pods(c, "Job", "trainer")["securityContext"].pop("runAsNonRoot"),
        "securityContext is not restricted",
    ),
    (
        checks.pods_are_restricted,
        lambda c: container(c)["securityContext"].update(readOnlyRootFilesystem=False),
        "securityContext of selector",
    ),
    (
        checks.pods_are_restricted,
        lambda c: pods(c, "Job", "trainer").pop("automountServiceAccountToken"),
        "token of Kubernetes",
    ),
    (
        checks.admins_are_gone_when_work_begins,
        lambda c: mount(container(c, "Job", "trainer"), "token-train").update(name="token-admin"),
        "Job trainer: container trainer has the admin's token",
    ),
    (checks.pods_end_in_time, lambda c: container(c).pop("lifecycle"), "no preStop sleeps"),
    (
        checks.pods_end_in_time,
        lambda c: pods(c, "Deployment", "selector").update(terminationGracePeriodSeconds=30),
        "killed before",
    ),
    (checks.pods_end_in_time, lambda c: env(c, "SELECTOR_DRAIN_SECONDS", "20"), "killed before"),
]

DEV_MISTAKES: list[Mistake] = [
    (
        checks.redis_fits_into_its_memory,
        lambda c: container(c, "StatefulSet", "redis").update(args=["redis-server", "--appendonly", "yes"]),
        "--maxmemory is 0",
    ),
    (
        checks.redis_fits_into_its_memory,
        lambda c: container(c, "StatefulSet", "redis")["args"].extend(["--maxmemory", "1GB"]),
        "--maxmemory is 1GB (0: no limit) where the container may have 1Gi",
    ),
    (
        checks.redis_fits_into_its_memory,
        lambda c: container(c, "StatefulSet", "redis")["resources"]["limits"].update(memory="768Mi"),
        "where the container may have 768Mi",
    ),
]
