"""FastAPI. Serve it with `uvicorn --workers 4 fastapi_app:app`."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI, Request

from readme_metrics import MetricsApiConfig
from readme_metrics.fastapi import ReadMeMetricsMiddleware


async def who_called(request: Request) -> dict[str, str | None] | None:
    """Tells ReadMe who made a call; None leaves the call unlogged. It need not be async."""
    if request.url.path == "/health":
        return None
    return {
        "api_key": request.headers.get("X-Api-Key", "anonymous"),  # hashed before it leaves the process
        "label": request.headers.get("X-User-Name"),
        "email": request.headers.get("X-User-Email"),
    }


config = MetricsApiConfig(
    os.environ.get("README_API_KEY", "rdme_example"),
    who_called,
    denylist=["password", "token", "X-Api-Key"],
)

app = FastAPI()
app.add_middleware(ReadMeMetricsMiddleware, config=config)


@app.post("/orders", status_code=201)
async def create_order(order: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "item": order["item"], "token": "t0ken"}
