"""Asking before something is deleted."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from services.command_line.failures import PASSING, Failure

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def can_be_asked() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def confirm(question: str, yes: bool) -> None:
    """Ask, unless the answer is given.

    Raises:
        Failure: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not can_be_asked():
        raise Failure(f"{question} Nobody can be asked here: add --yes")
    if not typer.confirm(question):
        raise Failure("nothing was deleted", PASSING)
