"""A user's own reward function."""

import sys
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from services.command_line.configuration import Section
from services.command_line.failures import Failure


class FunctionReward(Section):
    """`function(completion: str, answer) -> float` as the run takes it, called in the trainer's own process.

    It can keep what it needs in memory, a reward model for example, and nothing ends it when it takes too long.
    """

    type: Literal["function"]
    function: str = Field(
        pattern=r"^[\w.]+:[\w.]+$",
        description="package.module:function, installed or in the current directory",
    )

    def make(self) -> Callable[[str, Any], Any]:
        """The function itself. Raises `Failure` if it cannot be imported."""
        return find_function(self.function)


def find_function(path: str) -> Callable[..., Any]:
    """What "package.module:function" names. Raises `Failure` if there is no such function."""
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(
            here
        )  # The last place: a folder there does not hide what is installed, nor what we are.
    try:
        function = attrgetter(name)(import_module(module))
    except Exception as error:
        raise Failure(
            f"reward.function: got {path!r}, which cannot be imported ({type(error).__name__}: {error}). "
            "Give package.module:function"
        ) from error
    if not callable(function):
        raise Failure(f"reward.function: got {path!r}, a {type(function).__name__}. Name a function")
    return function
