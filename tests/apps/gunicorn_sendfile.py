"""A gunicorn configuration that tells which responses gunicorn sent with sendfile."""

from typing import Any

from gunicorn.http.wsgi import Response

_sendfile = Response.sendfile


def _told(response: Any, respiter: Any) -> bool:
    is_sent = bool(_sendfile(response, respiter))
    print(f"via sendfile() {is_sent}", flush=True)
    return is_sent


Response.sendfile = _told
