"""Everything that touches Redis: key names, atomic transitions, runs held in memory, the embedded server."""
