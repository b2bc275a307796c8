"""The bookshop with Django, as `sample_app` is with Flask: settings, URLs and views in one module."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from readme_metrics import MetricsApiConfig
from readme_metrics.demo.bookshop import API_KEY, BOOKS, HOLD_SECONDS, OPTIONS, customer_of, search


def list_books(_: HttpRequest) -> HttpResponse:
    return JsonResponse(list(BOOKS.values()), safe=False)


def show_book(_: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse(BOOKS[number]) if number in BOOKS else HttpResponse(status=404)


def search_books(request: HttpRequest) -> HttpResponse:
    return JsonResponse(search(request.GET.get("q", "")), safe=False)


def log_in(request: HttpRequest) -> HttpResponse:
    # The password comes back on purpose, so that there is a secret to redact in the response.
    return JsonResponse({"user": request.POST["user"], "session": request.POST["password"]})


def create_order(request: HttpRequest) -> HttpResponse:
    return JsonResponse(json.loads(request.body), status=201)


def fail(_: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def hold_worker(_: HttpRequest) -> Any:
    def body() -> Iterator[bytes]:
        yield f"{os.getpid()}\n".encode()
        threading.Event().wait(HOLD_SECONDS)

    return StreamingHttpResponse(body(), content_type="text/plain")


urlpatterns = [
    path("books", list_books),
    path("books/<int:number>", show_book),
    path("search", search_books),
    path("login", log_in),
    path("orders", create_order),
    path("broken", fail),
    path("hold", hold_worker),
]


def name_worker(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """A middleware of the app."""

    def middleware(request: HttpRequest) -> Any:
        response = get_response(request)
        response["X-Worker"] = str(os.getpid())
        return response

    return middleware


def identify_caller(call: HttpRequest) -> dict[str, str] | None:
    return customer_of(call.path, call.headers)


settings.configure(
    SECRET_KEY=os.urandom(16).hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["readme_metrics.django.MetricsMiddleware", f"{__name__}.name_worker"],
    README_METRICS_CONFIG=MetricsApiConfig(API_KEY, identify_caller, **OPTIONS),
)
app = get_wsgi_application()
