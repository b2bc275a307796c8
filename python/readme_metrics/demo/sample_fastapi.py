"""The bookshop with FastAPI, as `sample_app` is with Flask.

`/hold` blocks the event loop on purpose: a worker that does it handles no other request meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from readme_metrics import MetricsApiConfig
from readme_metrics.demo.bookshop import API_KEY, BOOKS, HOLD_SECONDS, OPTIONS, customer_of, search
from readme_metrics.fastapi import ReadMeMetricsMiddleware

app = FastAPI()


@app.middleware("http")
async def name_worker(request: Request, call_next: Any) -> Response:
    try:
        response: Response = await call_next(request)
    except RuntimeError:
        response = JSONResponse({"detail": "broken on purpose"}, 500)
    response.headers["X-Worker"] = str(os.getpid())
    return response


@app.get("/books")
async def list_books() -> Any:
    return list(BOOKS.values())


@app.get("/books/{number}")
async def show_book(number: int) -> Any:
    if number not in BOOKS:
        raise HTTPException(404)
    return BOOKS[number]


@app.get("/search")
async def search_books(q: str = "") -> Any:
    return search(q)


@app.post("/login")
async def log_in(request: Request) -> Any:
    # Read by hand, since FastAPI's forms want another package. The password comes back on purpose.
    form = parse_qs((await request.body()).decode())
    return {"user": form["user"][0], "session": form["password"][0]}


@app.post("/orders", status_code=201)
async def create_order(request: Request) -> Any:
    return await request.json()


@app.get("/broken")
async def fail() -> Any:
    raise RuntimeError("broken on purpose")


@app.get("/hold")
async def hold_worker() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield f"{os.getpid()}\n".encode()
        time.sleep(HOLD_SECONDS)

    return StreamingResponse(body(), media_type="text/plain")


def identify_caller(call: Request) -> dict[str, str] | None:
    return customer_of(call.url.path, call.headers)


app.add_middleware(ReadMeMetricsMiddleware, config=MetricsApiConfig(API_KEY, identify_caller, **OPTIONS))
