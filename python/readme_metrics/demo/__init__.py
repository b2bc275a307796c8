"""What `readme-metrics demo` runs: a sample app under gunicorn, its traffic, and the sums at the end."""
