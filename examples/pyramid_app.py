"""Pyramid. Serve it with `gunicorn -w 4 pyramid_app:application`."""

from __future__ import annotations

from typing import Any

from caller import config
from pyramid.config import Configurator
from pyramid.request import Request

from readme_metrics import MetricsMiddleware


def create_order(request: Request) -> dict[str, Any]:
    request.response.status = 201
    return {"id": 1, "item": request.json_body["item"], "token": "t0ken"}


with Configurator() as configurator:
    configurator.add_route("orders", "/orders", request_method="POST")
    configurator.add_view(create_order, route_name="orders", renderer="json")
    app = configurator.make_wsgi_app()

application = MetricsMiddleware(app, config)
