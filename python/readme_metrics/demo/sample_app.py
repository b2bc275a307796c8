"""The API that `readme-metrics demo` runs: the bookshop with Flask, logged by its extension.

Every worker answers with its process id in the `X-Worker` header. `/hold` is not logged; it keeps
its worker busy until the client leaves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from flask import Flask, Request, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from readme_metrics import MetricsApiConfig
from readme_metrics.demo.bookshop import API_KEY, BOOKS, HOLD_SECONDS, OPTIONS, customer_of, search
from readme_metrics.flask_readme import ReadMeMetrics

app = Flask(__name__)


@app.get("/books")
def list_books() -> ResponseReturnValue:
    return jsonify(list(BOOKS.values()))


@app.get("/books/<int:number>")
def show_book(number: int) -> ResponseReturnValue:
    return jsonify(BOOKS[number]) if number in BOOKS else abort(404)


@app.get("/search")
def search_books() -> ResponseReturnValue:
    return jsonify(search(request.args.get("q", "")))


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
        threading.Event().wait(HOLD_SECONDS)

    return Response(body(), mimetype="text/plain")


@app.after_request
def name_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    return response


def identify_caller(call: Request) -> dict[str, str] | None:
    return customer_of(call.path, dict(call.headers))


ReadMeMetrics(MetricsApiConfig(API_KEY, identify_caller, **OPTIONS), app)
