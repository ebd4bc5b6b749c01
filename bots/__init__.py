"""The `bots` command."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bots.app import app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit("Error: the bots command needs the extra 'server': pip install 'bots-selector[server]'")
    app(prog_name="bots")
