"""The published SDK's check of ReadMe's webhook calls: `from readme_metrics.VerifyWebhook import VerifyWebhook`."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

#: A replayed call is refused after this long.
MAX_AGE_S = 30 * 60


class VerificationError(Exception):
    """The call is not known to come from ReadMe; the message says why."""


class VerifyWebhook:
    """Checks that a webhook call comes from ReadMe; returns normally if it does.

    Args:
        body: The call's JSON body, parsed.
        signature: The call's `ReadMe-Signature` header: `t=<milliseconds since 1970>,v0=<hex digest>`.
        secret: Your project's webhook secret.

    Raises:
        VerificationError: The signature is missing, malformed, older than 30 minutes or not made with `secret`.
    """

    def __init__(self, body: dict[str, Any], signature: str | None, secret: str) -> None:
        if not signature:
            raise VerificationError("Missing Signature")
        fields = dict(_field(item) for item in signature.split(","))
        sent_ms, digest = fields.get("t", ""), fields.get("v0", "")
        # At most 15 digits and nothing else: int() also takes signs, spaces and underscores, and raises on long texts.
        if not (sent_ms.isascii() and sent_ms.isdigit() and len(sent_ms) <= 15):
            raise VerificationError("Invalid Signature")
        if time.time() - int(sent_ms) / 1000 > MAX_AGE_S:
            raise VerificationError("Expired Signature")
        # ReadMe signs what JavaScript's JSON.stringify writes, with text beyond ASCII unescaped. The published SDK
        # escaped such text and so refused these calls. Both forms are accepted: users sign test calls in Python.
        expected = [_digest(secret, sent_ms, body, ensure_ascii=escaped) for escaped in (False, True)]
        if not any([hmac.compare_digest(one, digest.encode()) for one in expected]):
            raise VerificationError("Invalid Signature")


def _field(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name.strip(), value.strip()


def _digest(secret: str, sent_ms: str, body: object, ensure_ascii: bool) -> bytes:
    signed = f"{sent_ms}.{json.dumps(body, separators=(',', ':'), ensure_ascii=ensure_ascii)}"
    # "surrogatepass": a parsed body may hold lone surrogates. No genuine signature matches one, and encoding it must
    # not raise.
    key = secret.encode(errors="ignore")
    return hmac.digest(key, signed.encode(errors="surrogatepass"), "sha256").hex().encode()
