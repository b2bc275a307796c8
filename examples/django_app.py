"""Django, in one file. Serve it with `gunicorn -w 4 django_app:application`.

In a project, the last line goes at the end of its `wsgi.py`.
"""

from __future__ import annotations

import json

import django
from caller import config
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from readme_metrics import MetricsMiddleware

settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="example", ALLOWED_HOSTS=["*"])
django.setup()


def create_order(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": 1, "item": json.loads(request.body)["item"], "token": "t0ken"}, status=201)


urlpatterns = [path("orders", create_order)]

application = MetricsMiddleware(get_wsgi_application(), config)
