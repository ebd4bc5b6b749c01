"""What starts and stops things: child processes, and a selector on this machine."""
