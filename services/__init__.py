"""Things that run beside the selector: the demo, and what trains and measures with it."""
