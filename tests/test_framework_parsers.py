"""No value that a framework's own parser gives an app for a denied field is in the log.

`make test` tries a sample, and `make differential` 50,000 requests.
"""

from __future__ import annotations

import gc
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from framework_parsers import PARSERS, fields_by
from readme_metrics import _core
from request_soup import SECRET_PATTERN, Request, RequestMaker

COUNT = int(os.environ.get("DIFFERENTIAL_REQUESTS", "700"))
FIRST = int(os.environ.get("DIFFERENTIAL_FIRST", "0"))
#: The first denies one name, and the second every name except one.
LISTS: tuple[dict[str, Any], ...] = (
    {"denylist": ["password"], "allowlist": None},
    {"denylist": [], "allowlist": ["a"]},
)


def is_denied(name: str, lists: dict[str, Any]) -> bool:
    return name in lists["denylist"] if lists["denylist"] else name not in lists["allowlist"]


@pytest.fixture(scope="module")
def queue() -> _core.Queue:
    return _core.Queue([], "framework parsers", 64 << 20)  # no directory: private memory


def encoder(lists: dict[str, Any]) -> _core.Encoder:
    return _core.Encoder(
        **lists,
        redact_nested=False,
        development=False,
        max_body_bytes=1 << 20,
        trust_forwarded=False,
        platform="test",
    )


def log_of(request: Request, encoder: _core.Encoder, queue: _core.Queue) -> str:
    """The log as it would be sent, without the escapes of its JSON."""
    capture = _core.Capture(encoder, request.environ())
    capture.set_caller(("caller", None, None))
    capture.add_request(request.body)
    assert queue.record(capture, None, "204 No Content", []) != 0, queue.stats()
    batch = queue.peek(1, 1)
    assert batch is not None
    queue.release(batch, True)
    return json.dumps(json.loads(batch.json), ensure_ascii=False)


@pytest.fixture
def abandoned_files() -> Iterator[None]:
    """Parsers leave their temporary files to the garbage collector, which then warns about each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


@pytest.mark.usefixtures("abandoned_files")
def test_no_denied_field_of_any_framework_is_in_the_log(queue: _core.Queue) -> None:
    encoders = [(lists, encoder(lists)) for lists in LISTS]
    denied_by: Counter[str] = Counter()
    leaks = []
    for number in range(FIRST, FIRST + COUNT):
        request = RequestMaker(number).request()
        sources = b" ".join([request.query.encode(), request.body, request.cookie.encode()])
        fields = [
            (parser.__name__, *field)
            for parser in PARSERS
            for field in fields_by(parser, request.environ(), request.body)
        ]
        for lists, encode in encoders:
            log = None
            for framework, where, name, value in fields:
                if not is_denied(name, lists):
                    continue
                for secret in re.findall(SECRET_PATTERN, value.encode("utf-8", "surrogateescape")):
                    if sources.count(secret) != 1:
                        continue
                    denied_by[f"{framework} {where}"] += 1
                    log = log or log_of(request, encode, queue)
                    if secret.decode() in log:
                        leaks.append((number, framework, where, name, lists, request))
    print(f"{COUNT} requests; denied fields found: {dict(denied_by)}; leaks: {len(leaks)}")
    for leak in leaks[:10]:
        print(leak)
    assert not leaks
    # Each parser has to find something in each place that it reads. Otherwise, the inputs test nothing.
    places = {f"{parser.__name__} {where}" for parser in PARSERS for where in ("query", "form", "cookies")}
    assert not places - set(denied_by)
