"""The ways out: each takes a batch and says what became of it."""
