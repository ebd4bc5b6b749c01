"""Configurations of runs as the store keeps, settles and compares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from selector_api.core.config import RunConfig
from selector_api.core.tasks import TaskTable
from selector_api.store.errors import UnreadableData
from selector_api.store.refusals import Difference, NoReferences, UnknownDomain, UnknownReference


@lru_cache(256)  # every report asks
def _read(config: str | bytes) -> RunConfig:
    return RunConfig.from_dict(json.loads(config))


def parsed(name: str, config: str | bytes) -> RunConfig:
    """The configuration of the run of this name, as Redis has it.

    Raises:
        UnreadableData: this release does not know it.
    """
    try:
        return _read(config)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableData(
            f"the configuration of run {name!r} is not known here ({error!r}): "
            "use the release that wrote it, or a later one"
        ) from error


def settled_as(there: RunConfig, sent: RunConfig) -> RunConfig:
    """A configuration that was sent, with what it leaves open as it is in one that is there."""
    posterior = sent.posterior.settled_as(there.posterior)
    return replace(sent, posterior=posterior, fork=sent.fork or there.fork)


def enter_text(config: RunConfig) -> str:
    """When outcomes enter the posteriors, as scripts read it."""
    return config.commit if isinstance(config.commit, str) else str(config.commit.outcomes)


def check_names(config: RunConfig, table: TaskTable) -> None:
    """Refuse names that the pool does not know: they would silently do nothing.

    Raises:
        UnknownReference, UnknownDomain: the configuration names one that the pool does not have.
        NoReferences: the policy goes by references, and there are none.
    """
    for reference in config.posterior.references or ():
        if reference not in table.reference_names:
            raise UnknownReference(reference, table.reference_names)
    for domain in config.policy.domains or ():
        if domain not in table.domains:
            raise UnknownDomain(domain, table.domains)
    if config.policy.needs_references and not table.reference_names:
        raise NoReferences(config.policy.type, config.pool)


def differences(here: RunConfig, sent: RunConfig) -> list[Difference]:
    """The fields in which two configurations differ, by their places."""
    fields_here, fields_sent = _flat(here.to_dict()), _flat(sent.to_dict())
    return [
        Difference(name, fields_here.get(name), fields_sent.get(name))
        for name in dict.fromkeys((*fields_here, *fields_sent))
        if fields_here.get(name) != fields_sent.get(name)
    ]


def _flat(values: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(cast("Mapping[str, Any]", value), f"{place}{name}.")
        else:
            flat[place + name] = value
    return flat
