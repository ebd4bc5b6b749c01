"""Volumes and files that are not there."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import (
    Mistake,
    admission,
    container,
    endpoint,
    env,
    mount,
    part,
    pods,
    remove,
)

MISTAKES: list[Mistake] = [
    (
        checks.mounts_have_volumes,
        lambda c: pods(c, "Deployment", "selector")["volumes"].pop(0),
        "is no volume",
    ),
    (
        checks.mounts_have_volumes,
        lambda c: container(c, "Job", "trainer")["volumeMounts"].pop(),
        "shared-memory is mounted nowhere",
    ),
    (checks.mounts_have_volumes, lambda c: remove(c, "Secret", "token-admin"), "no secret token-admin"),
    (
        checks.mounts_have_volumes,
        lambda c: remove(c, "PersistentVolumeClaim", "trainings"),
        "no persistentVolumeClaim trainings",
    ),
    (
        checks.mounts_have_volumes,
        lambda c: remove(c, "ServiceAccount", "selector"),
        "service account is not there",
    ),
    (
        checks.files_are_mounted,
        lambda c: part(c, "Secret", "redis-url").pop("data"),
        "container selector looks for /run/secrets/redis-url/url",
    ),
    (
        checks.files_are_mounted,
        lambda c: part(c, "Secret", "redis-url")["data"].update(url=""),
        "container tokens looks for /run/secrets/redis-url/url",
    ),
    (
        checks.files_are_mounted,
        lambda c: env(c, "SELECTOR_REDIS_URL_FILE", "/run/secrets/redis-url/address"),
        "looks for /run/secrets/redis-url/address",
    ),
    (
        checks.files_are_mounted,
        lambda c: container(c, "Job", "trainer")["env"][0].update(value="/tmp/token"),
        "looks for /tmp/token",
    ),
    (
        checks.files_are_mounted,
        lambda c: container(c, "Job", "trainer")["env"].pop(0),
        "container trainer is not told of a file in /run/secrets/token-",
    ),
    (
        checks.files_are_mounted,
        lambda c: mount(admission(c), "token-train").update(mountPath="/run/secrets/train"),
        "looks for /run/secrets/token-train/",
    ),
    (
        checks.files_are_mounted,
        lambda c: part(c, "Secret", "token-train").pop("data"),
        "looks for /run/secrets/token-train/",
    ),
    (
        checks.files_are_mounted,
        lambda c: admission(c)["args"].insert(0, admission(c)["args"].pop().replace("train read", "train")),
        "container tokens is not told of a file in /run/secrets/token-read",
    ),
    (
        checks.files_are_mounted,
        lambda c: container(c, "Job", "reference-eval")["args"].append("/config/training.yaml"),
        "looks for /config/training.yaml",
    ),
    (
        checks.files_are_mounted,
        lambda c: mount(container(c, "Job", "trainer"), "config").update(mountPath="/configs"),
        "looks for /config/training.yaml",
    ),
]

DEV_MISTAKES: list[Mistake] = [
    (
        checks.files_are_mounted,
        lambda c: part(c, "Secret", "redis-users").pop("data"),
        "looks for /run/secrets/redis-users/users.acl",
    ),
]

PROD_MISTAKES: list[Mistake] = [
    (
        checks.mounts_have_volumes,
        lambda c: endpoint(c)["authorization"]["credentials"].update(name="other"),
        "the secret of its token is not there",
    ),
    (
        checks.mounts_have_volumes,
        lambda c: endpoint(c)["authorization"]["credentials"].update(key="tokens"),
        "or has no tokens",
    ),
]
