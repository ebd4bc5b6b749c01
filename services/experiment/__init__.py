"""The same training under several policies and seeds, and what came out: `bots experiment run|report FILE`."""
