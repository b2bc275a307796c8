"""`Canaries`: recognisable secrets that are sent with requests, and searched for wherever they must not be."""

from __future__ import annotations

import re
import secrets


class Canaries:
    """A family of secrets with a common random prefix, so that one search finds any of them."""

    def __init__(self) -> None:
        self._prefix = f"canary{secrets.token_hex(6)}"
        self._pattern = re.compile(rf"{self._prefix}[a-z]+[0-9]+".encode())

    def plant(self, place: str, number: int) -> str:
        """The secret for one `place` (lower-case letters) of request `number`."""
        return f"{self._prefix}{place}{number:06}"

    def found_in(self, data: bytes) -> set[bytes]:
        """The distinct secrets that occur in `data`."""
        return set(self._pattern.findall(data))
