"""The `bots` command."""

from services.command_line.failures import needing_extra, printed_failures


def main() -> None:
    """Run the command line."""
    with printed_failures(), needing_extra("server", "trainer"):
        from bots.app import app
    app(prog_name="bots")
