"""The API that `readme-metrics demo` runs: a small bookshop, logged by the middleware.

Every worker answers with its process id in the `X-Worker` header. `/hold` is not logged; it keeps
its worker busy until the client leaves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug import Request

from readme_metrics import MetricsApiConfig, MetricsMiddleware

BASE_LOG_URL = "https://docs.example.com"
DENYLIST = ["X-Api-Secret", "access_token", "password", "session", "card_number"]

_BOOKS = {
    1: {"id": 1, "title": "The Left Hand of Darkness", "price": 9.5},
    2: {"id": 2, "title": "Invisible Cities", "price": 8.0},
    3: {"id": 3, "title": "The Owl Service", "price": 7.25},
}
_HOLD_SECONDS = 25  # Less than the 30 s after which gunicorn gives a worker up.

app = Flask(__name__)


@app.get("/books")
def list_books() -> ResponseReturnValue:
    return jsonify(list(_BOOKS.values()))


@app.get("/books/<int:number>")
def show_book(number: int) -> ResponseReturnValue:
    return jsonify(_BOOKS[number]) if number in _BOOKS else abort(404)


@app.get("/search")
def search_books() -> ResponseReturnValue:
    words = request.args.get("q", "").lower()
    return jsonify([book for book in _BOOKS.values() if words in str(book["title"]).lower()])


@app.post("/login")
def log_in() -> ResponseReturnValue:
    # The password comes back on purpose, so that there is a secret to redact in the response.
    return jsonify(user=request.form["user"], session=request.form["password"])


@app.post("/orders")
def create_order() -> ResponseReturnValue:
    return jsonify(request.get_json()), 201


@app.get("/broken")
def fail() -> ResponseReturnValue:
    raise RuntimeError("broken on purpose")


@app.get("/hold")
def hold_worker() -> ResponseReturnValue:
    def body() -> Iterator[bytes]:
        yield f"{os.getpid()}\n".encode()
        threading.Event().wait(_HOLD_SECONDS)

    return Response(body(), mimetype="text/plain")


@app.after_request
def name_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    return response


def identify_caller(call: Request) -> dict[str, str] | None:
    """The customer behind a request; None for those that are not to be logged."""
    if call.path == "/hold":
        return None
    customer = call.headers.get("X-Customer", "anonymous")
    return {
        "api_key": call.headers.get("Authorization", customer),
        "label": customer,
        "email": f"{customer.lower()}@example.com",
    }


app.wsgi_app = MetricsMiddleware(  # type: ignore[method-assign]
    app.wsgi_app,
    MetricsApiConfig(
        os.environ.get("README_API_KEY", "demo"),
        identify_caller,
        BASE_LOG_URL,
        # More than a worker answers in the first half of a short demo, so that the worker that is
        # killed takes logs with it that it has not sent.
        buffer_length=25,
        denylist=DENYLIST,
    ),
)
