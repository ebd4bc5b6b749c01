"""Configurations of runs as the store keeps, settles and compares them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    return list(_differing(here.to_dict(), sent.to_dict(), ""))


def _differing(here: Mapping[str, Any], sent: Mapping[str, Any], place: str) -> Iterator[Difference]:
    # Objects of other types have other fields: those that only one can have say nothing more.
    names = dict.fromkeys((*here, *sent))
    if here.get("type") != sent.get("type"):
        names = [name for name in names if name in here and name in sent]
    for name in names:
        one, other = here.get(name), sent.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differing(
                cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other), f"{place}{name}."
            )
        elif one != other:
            yield Difference(place + name, one, other)
