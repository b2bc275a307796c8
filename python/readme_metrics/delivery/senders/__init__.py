"""The senders: each takes the body of a batch and returns what became of it."""
