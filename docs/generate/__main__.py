"""Write the generated pages anew: `python -m docs.generate`."""

from pathlib import Path

from docs.generate.api import api, read
from docs.generate.configuration import configuration

REFERENCE = Path(__file__).parents[1] / "reference"


def pages() -> dict[str, str]:
    """The texts of the pages by the names of their files."""
    return {"api.md": api(read()), "configuration.md": configuration()}


if __name__ == "__main__":
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
