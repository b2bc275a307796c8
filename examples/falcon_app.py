"""Falcon. Serve it with `gunicorn -w 4 falcon_app:application`."""

from __future__ import annotations

import falcon
from caller import config

from readme_metrics import MetricsMiddleware


class Orders:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        response.status = falcon.HTTP_201
        response.media = {"id": 1, "item": request.get_media()["item"], "token": "t0ken"}


app = falcon.App()
app.add_route("/orders", Orders())

application = MetricsMiddleware(app, config)
