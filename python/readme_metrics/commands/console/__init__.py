"""What the commands print on: a terminal, and logs as lines on it."""
