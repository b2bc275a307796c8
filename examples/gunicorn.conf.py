"""gunicorn -c gunicorn.conf.py flask_app:app"""

bind = "127.0.0.1:8000"
workers = 4
# Preloading, threads, gevent and worker recycling all work without a hook here.
preload_app = True
max_requests = 10_000
