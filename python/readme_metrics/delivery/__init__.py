"""The flusher's side: takes logs out of the queue and sends them, away from any request."""
