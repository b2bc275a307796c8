"""What the sample apps have in common: a small bookshop, and who its customers are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

DENYLIST = ["X-Api-Secret", "access_token", "password", "session", "card_number"]
BOOKS = {
    1: {"id": 1, "title": "The Left Hand of Darkness", "price": 9.5},
    2: {"id": 2, "title": "Invisible Cities", "price": 8.0},
    3: {"id": 3, "title": "The Owl Service", "price": 7.25},
}
#: How long `/hold` keeps a worker: less than the 30 s after which gunicorn gives a worker up.
HOLD_SECONDS = 25
API_KEY = os.environ.get("README_API_KEY", "demo")
#: Options of the middleware. More logs wait than a worker makes in the first half of a short demo, so that the worker
#: that is killed takes logs with it that it has not sent.
OPTIONS: dict[str, Any] = {"base_log_url": "https://docs.example.com", "buffer_length": 25, "denylist": DENYLIST}


def search(words: str) -> list[dict[str, object]]:
    return [book for book in BOOKS.values() if words.lower() in str(book["title"]).lower()]


def customer_of(path: str, headers: Mapping[str, str]) -> dict[str, str] | None:
    """The customer behind a request; None for those that are not to be logged."""
    if path == "/hold":
        return None
    customer = headers.get("X-Customer", "anonymous")
    return {
        "api_key": headers.get("Authorization", customer),
        "label": customer,
        "email": f"{customer.lower()}@example.com",
    }
