"""A WSGI callable without a framework. Serve it with `gunicorn -w 4 plain_app:application`."""

from __future__ import annotations

import json
from typing import Any

from caller import config

from readme_metrics import MetricsMiddleware


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/orders" and environ["REQUEST_METHOD"] == "POST":
        order = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        status, answer = "201 Created", {"id": 1, "item": order["item"], "token": "t0ken"}
    else:
        status, answer = "404 Not Found", {"error": "no such thing"}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


application = MetricsMiddleware(app, config)
