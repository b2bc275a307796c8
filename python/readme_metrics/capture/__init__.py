"""The request's side: watches one request from the call of the app to the end of its response, and queues it."""
