"""The BOTS selector service: which tasks should a trainer roll out next?

Rooms: `core` (the mathematics, pure), `store` (Redis), `web` (HTTP), `settings`. The `bots` command is in `bots`.
"""
