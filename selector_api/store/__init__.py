"""Everything that touches Redis: key names, atomic transitions, replicas of runs, the embedded server."""
