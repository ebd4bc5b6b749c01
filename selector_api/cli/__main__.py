"""`python -m selector_api.cli`: the `bots` command."""

from . import main

main()
