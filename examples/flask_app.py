"""Flask. Serve it with `gunicorn -w 4 flask_app:app`."""

from __future__ import annotations

from typing import Any

from caller import config
from flask import Flask, request

from readme_metrics import MetricsMiddleware

app = Flask(__name__)


@app.post("/orders")
def create_order() -> tuple[dict[str, Any], int]:
    return {"id": 1, "item": request.json["item"], "token": "t0ken"}, 201


# Flask and its extensions go on using `app`; servers call `app.wsgi_app`.
app.wsgi_app = MetricsMiddleware(app.wsgi_app, config)  # type: ignore[method-assign]
