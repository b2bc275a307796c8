"""`VerifyWebhook`: what ReadMe signs is accepted; anything else raises the one exception that is documented."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from readme_metrics.VerifyWebhook import VerificationError, VerifyWebhook

SECRET = "whsec_docs"
BODY = {"email": "owl@example.com", "n": 1}


def signature(body: Any = None, secret: str = SECRET, age_s: float = 0, ensure_ascii: bool = False) -> str:
    sent_ms = int((time.time() - age_s) * 1000)
    signed = f"{sent_ms}." + json.dumps(body or BODY, separators=(",", ":"), ensure_ascii=ensure_ascii)
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return f"t={sent_ms},v0={digest}"


@pytest.mark.parametrize("age_s", [0, 29 * 60, -60])
def test_a_genuine_call_is_accepted(age_s: float) -> None:
    VerifyWebhook(BODY, signature(age_s=age_s), SECRET)


def test_a_known_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made with OpenSSL, not with this code: `printf '%s' '1600000000000.{"a":1}' | openssl dgst -sha256 -hmac key`."""
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0)
    known = "72202eb4d6fab2600d44d6aee5ca6779945c1f40720ed2d647c2a21679bd1246"
    VerifyWebhook({"a": 1}, f"t=1600000000000,v0={known}", "key")
    VerifyWebhook({"a": 1}, f" t=1600000000000 , v0={known} ", "key")


@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_text_beyond_ascii(ensure_ascii: bool) -> None:
    body = {"email": "jürgen@example.com", "name": "梟"}
    VerifyWebhook(body, signature(body, ensure_ascii=ensure_ascii), SECRET)


def test_an_old_call_is_refused() -> None:
    with pytest.raises(VerificationError, match="Expired Signature"):
        VerifyWebhook(BODY, signature(age_s=31 * 60), SECRET)


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_signature_is_refused(missing: str | None) -> None:
    with pytest.raises(VerificationError, match="Missing Signature"):
        VerifyWebhook(BODY, missing, SECRET)


@pytest.mark.parametrize(
    "malformed",
    [
        "nonsense", "t=,v0=", "t=1", "v0=abc", "t=abc,v0=abc", "t=1_0,v0=a", "t=-1,v0=a", "t=99999999999999,v0=a=b",
        "t=99999999999999,v0=é", "t=" + "9" * 5000 + ",v0=a", "t=٣,v0=a", ",,,", "=",
    ],
)  # fmt: skip
def test_a_malformed_signature_is_refused_and_raises_nothing_else(malformed: str) -> None:
    with pytest.raises(VerificationError, match=r"(Invalid|Expired) Signature"):
        VerifyWebhook(BODY, malformed, SECRET)


def test_another_secret_body_or_time_is_refused() -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        (BODY, signature(), "another"),
        ({**BODY, "n": 2}, signature(), SECRET),
        (BODY, signature().replace("t=1", "t=2"), SECRET),
        ({"email": "\ud800"}, signature(), SECRET),
    ]
    for body, header, secret in cases:
        with pytest.raises(VerificationError, match="Invalid Signature"):
            VerifyWebhook(body, header, secret)
