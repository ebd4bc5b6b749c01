"""Options of a run's configuration, and the configuration that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

Rewards = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="MIN MAX", help="The range of the rewards, which are scaled to 0…1: --rewards -1 1."
    ),
]
PassAt = Annotated[
    float | None, typer.Option(help="Instead of --rewards: a rollout passes with a reward of this or more.")
]
CommitOutcomes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="One step for every so many outcomes, whatever selections they are of, in place of one a selection: "
        "for asynchronous trainers.",
    ),
]


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The members that were given."""
    return {name: value for name, value in values.items() if value is not None}


def part(**values: Any) -> dict[str, Any] | None:
    """The given members of a part; None if there are none, so that the service's default holds."""
    return given(values) or None


def with_types(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a new run, in which posterior and policy are of the type that their options go with."""
    typed = dict(body)
    posterior: Mapping[str, Any] = body.get("posterior", {})
    of_posterior = posterior.get("type") or ("rasch" if "references" in posterior else "bots")
    policy: Mapping[str, Any] = body.get("policy", {})
    seeks = not policy.keys().isdisjoint(("target", "temperature"))
    of_policy = "signal" if "power" in policy or (of_posterior == "rasch" and not seeks) else "thompson"
    for name, of in (("posterior", of_posterior), ("policy", of_policy)):
        if name in body:
            typed[name] = {**body[name], "type": body[name].get("type") or of}
    return typed


def rewards_of(bounds: tuple[float, float] | None, pass_at: float | None) -> dict[str, Any] | None:
    """How rewards count."""
    if bounds is not None and pass_at is not None:
        raise typer.BadParameter("give one of the two", param_hint="--rewards, --pass-at")
    if bounds is not None:
        return {"type": "range", "min": bounds[0], "max": bounds[1]}
    return None if pass_at is None else {"type": "threshold", "pass_at": pass_at}


def changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, with what else a part of the configuration has, as long as its type stays the same."""
    parts = dict(changes)
    for name, change in changes.items():
        here = config.get(name)
        if isinstance(change, Mapping) and isinstance(here, Mapping):
            type_ = change.get("type") or here.get("type")
            kept = here if type_ == here.get("type") else {}
            parts[name] = {**kept, **given(change), "type": type_}
    return parts
