"""What the service tells as a data frame of pandas or polars, whichever is installed."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

FrameLibrary = Literal["pandas", "polars"]


def frame_library(name: FrameLibrary | None) -> Any:
    """The library that makes data frames; None: pandas, or polars if that is not installed.

    Raises:
        ModuleNotFoundError: it is not installed, or none is.
    """
    for each in ("pandas", "polars") if name is None else (name,):
        try:
            return import_module(each)
        except ModuleNotFoundError:
            continue
    wanted = f"no {name} is" if name else "neither pandas nor polars is"
    raise ModuleNotFoundError(
        f"a data frame was asked for, and {wanted} installed: pip install {name or 'polars'}"
    )


@contextmanager
def passing_file() -> Generator[Path]:
    """A Parquet file's path, which is gone behind the block."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "table.parquet"


def points_frame(library: Any, points: list[dict[str, Any]]) -> Any:
    """A point a row; what a point tells by domain is a column a domain, such as `capability.math`."""
    if library.__name__ == "pandas":
        return library.json_normalize(points)
    return library.json_normalize(points, separator=".")
