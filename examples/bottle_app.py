"""Bottle. Serve it with `gunicorn -w 4 bottle_app:application`."""

from __future__ import annotations

from typing import Any

from bottle import Bottle, request, response
from caller import config

from readme_metrics import MetricsMiddleware

app = Bottle()


@app.post("/orders")
def create_order() -> dict[str, Any]:
    response.status = 201
    return {"id": 1, "item": request.json["item"], "token": "t0ken"}


application = MetricsMiddleware(app, config)
