"""`python -m bots`: the `bots` command."""

from bots import main

main()
