"""Help for options that are fields of a run's configuration: said once, by the schema in selector_api.core."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from typer.core import TyperCommand, TyperOption

from services.command_line.failures import needing_extra


class Field(NamedTuple):
    """What a field means, and its default (None: there is none that an option could have)."""

    description: str
    default: str | None


class CommandWithFields(TyperCommand):
    """A command whose help says of every option without help of its own what the field of its name means.

    The schema is read when help is asked for: that takes longer than to send a configuration.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        fields = run_fields()
        for option in self.params:
            if isinstance(option, TyperOption) and not option.help and option.name in fields:
                option.help, default = fields[option.name]
                option.show_default = default or False
        super().format_help(ctx, formatter)


def run_fields() -> dict[str, Field]:
    """The fields of a run's configuration, and of the posteriors, policies and implicit evidence with options."""
    with needing_extra("server"):
        from pydantic import TypeAdapter

        from selector_api.core.config import RunConfig
        from selector_api.core.policies import Policy
        from selector_api.core.policies.signal import Signal
        from selector_api.core.policies.thompson import Thompson
        from selector_api.core.posteriors import PosteriorConfig
        from selector_api.core.posteriors.bots import Bots
        from selector_api.core.posteriors.interpolation import Interpolation

    fields = {
        name: Field(field["description"], _number(field.get("default")))
        for kind in (Interpolation, Signal, Thompson, Bots, RunConfig)
        for name, field in TypeAdapter(kind).json_schema()["properties"].items()
        if "description" in field
    }
    default = RunConfig(pool="")
    for name, kinds, type_ in (
        ("policy", Policy, default.policy.type),
        ("posterior", PosteriorConfig, default.posterior.type),
    ):
        types = ", ".join(kind.type for kind in get_args(kinds))
        fields[name] = Field(f"{fields[name].description}: {types}", type_)
    return fields


def _number(value: Any) -> str | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else f"{value:g}"
