"""Write the generated pages anew: `python -m docs.generate`."""

from pathlib import Path

from docs.generate.configuration import configuration

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES = {"configuration.md": configuration}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (REFERENCE / name).write_text(made(), encoding="utf-8")
