"""Environments, held against the settings of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from selector_api.settings import Settings
from tests.deploy.manifests import Manifest, containers, title, variables, workloads

CLIENT_VARIABLES = frozenset({"SELECTOR_TOKEN", "SELECTOR_TOKEN_FILE"})
"""What trainer_client reads; all others of the prefix are fields of Settings."""


def variables_are_settings(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Variables are settings of the service, with values that it takes, and secrets come from mounted files."""
    for each, template in workloads(manifests):
        if template["spec"].get("enableServiceLinks", True):
            yield f"{title(each)}: enableServiceLinks would set SELECTOR_PORT to the Service's address"
        for container in containers(template):
            where = f"{title(each)}: container {container['name']}"
            mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            yield from (f"{where}: {problem}" for problem in wrong_variables(variables(container), mounts))
        count = each["spec"].get("completions")
        given = variables(template["spec"]["containers"][0]).get("JOB_COMPLETIONS")
        if each["spec"].get("completionMode") == "Indexed" and given != str(count):
            yield f"{title(each)}: JOB_COMPLETIONS is {given} where completions are {count}"


def selectors_know_their_redis(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A selector that is told of no Redis starts a Valkey of its own, each replica another."""
    for each, template in workloads(manifests):
        for container in containers(template):
            of_selector = container["image"].rpartition("/")[2].startswith("bots-selector")
            if of_selector and "SELECTOR_REDIS_URL_FILE" not in variables(container):
                yield f"{title(each)}: container {container['name']} has no SELECTOR_REDIS_URL_FILE"


def wrong_variables(given: Mapping[str, str | None], mounts: Sequence[str]) -> Iterator[str]:
    """What is wrong with a container's environment, of which `mounts` are the folders that are mounted."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if not name.startswith("SELECTOR_"):
            continue
        if name.endswith("_FILE") and not any((value or "").startswith(f"{mount}/") for mount in mounts):
            yield f"{name} is {value!r}, which is in no mounted folder"
        if name in CLIENT_VARIABLES:
            continue
        field = name.removeprefix("SELECTOR_").lower()
        if field not in Settings.model_fields:
            yield f"{name} is no setting"
        elif field != "redis_url_file":
            values[field] = value
    try:
        Settings(**values)
    except ValidationError as error:
        yield str(error)
