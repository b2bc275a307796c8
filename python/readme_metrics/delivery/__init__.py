"""The flusher's side: takes logs out of the queue and sends them, outside of any request."""
