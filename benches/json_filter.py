"""JSON filtering in Python, `json.loads` + filter + `json.dumps`, of the bodies that `redact.rs` calls `records`."""

from __future__ import annotations

import json
import timeit

DENYLIST = {
    "password", "token", "secret", "api_key", "authorization", "ssn", "card_number", "cvv",
    "access_token", "refresh_token",
}  # fmt: skip


def records(size: int) -> bytes:
    def item(i: int) -> str:
        return (
            f'{{"id":{i},"name":"Product number {i}","price":{i}.99,"in_stock":true,"tags":["red","large","cotton"],'
            '"description":"A rather good product, with a \\"quoted\\" word in it.",'
            '"maker":{"name":"ACME","country":"NL"},"password":null}'
        )

    items = ",".join(item(i) for i in range(size // len(item(size // 250))))
    return f'{{"status":"ok","password":"hunter2","items":[{items}],"token":"d41d8cd98f00b204"}}'.encode()


def marker(value: object) -> str:
    return f"[REDACTED {len(value)}]" if isinstance(value, str) else "[REDACTED]"


def redact(body: bytes) -> str:
    """The top level alone, as the published SDK does it."""
    document = json.loads(body)
    return json.dumps({key: marker(value) if key in DENYLIST else value for key, value in document.items()})


for label, size in {"1 KB": 1_000, "100 KB": 100_000, "1 MB": 1_000_000}.items():
    body = records(size)
    timer = timeit.Timer("redact(body)", globals={"redact": redact, "body": body})
    number, _ = timer.autorange()
    seconds = min(timer.repeat(20, max(1, number // 5))) / max(1, number // 5)
    print(f"{label:>6} ({len(body):,} bytes): {len(body) / seconds / 1e6:.0f} MB/s")
