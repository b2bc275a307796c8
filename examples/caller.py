"""What the examples share: the configuration of the middleware."""

from __future__ import annotations

import os

from werkzeug import Request

from readme_metrics import MetricsApiConfig


def who_called(request: Request) -> dict[str, str | None] | None:
    """Tells ReadMe who made a call; None leaves the call unlogged."""
    if request.path == "/health":
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
