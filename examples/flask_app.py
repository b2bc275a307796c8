"""Flask. Serve it with `gunicorn -w 4 flask_app:app`."""

from __future__ import annotations

from typing import Any

from caller import config
from flask import Flask, request

from readme_metrics.flask_readme import ReadMeMetrics

app = Flask(__name__)
ReadMeMetrics(config, app)


@app.post("/orders")
def create_order() -> tuple[dict[str, Any], int]:
    return {"id": 1, "item": request.json["item"], "token": "t0ken"}, 201
