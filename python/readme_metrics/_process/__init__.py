"""What belongs to the process as a whole and serves both sides of the queue: environment, imports, threads, reports."""
