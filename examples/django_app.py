"""Django, in one file. Serve it with `gunicorn -w 4 django_app:application`.

Under ASGI: `uvicorn django_app:asgi_application`. In a project, the settings are in its `settings.py`.
"""

from __future__ import annotations

import json
import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from readme_metrics import MetricsApiConfig

MIDDLEWARE = [
    "readme_metrics.django.MetricsMiddleware",
    "django.middleware.common.CommonMiddleware",
]
README_METRICS_CONFIG = MetricsApiConfig(
    os.environ.get("README_API_KEY"),
    "caller.who_called",
    denylist=["password", "token", "X-Api-Key"],
)

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="example",
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=MIDDLEWARE,
    README_METRICS_CONFIG=README_METRICS_CONFIG,
)
django.setup()


def create_order(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": 1, "item": json.loads(request.body)["item"], "token": "t0ken"}, status=201)


urlpatterns = [path("orders", create_order)]

application = get_wsgi_application()
asgi_application = get_asgi_application()
