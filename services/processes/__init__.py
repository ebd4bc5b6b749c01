"""What starts and stops things: child processes, and a selector of one's own."""
