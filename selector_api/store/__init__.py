"""Everything that touches Redis: key names, atomic transitions, live runs of runs, the embedded server."""
