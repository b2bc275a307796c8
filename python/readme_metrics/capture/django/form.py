"""A form that code further out has parsed: its bytes are gone, its fields are in the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def parsed_form(request: Any, pad_to: int) -> bytes | None:
    """The multipart body from which Django made `request.POST` and `request.FILES`, as far as these tell; None if there
    was none.

    A file's content is left where it is, in memory or in a temporary file: no log shows it.

    Args:
        request: Django's. This function parses nothing: it returns None if Django has not parsed the body.
        pad_to: The size that the body had, if it is to be shown whole: what follows the last boundary is no part.
    """
    fields = getattr(request, "_post", None)
    boundary = (getattr(request, "content_params", None) or {}).get("boundary")
    if fields is None or not boundary or request.content_type != "multipart/form-data":
        return None
    encoding = fields.encoding or "utf-8"
    pieces: list[str] = []
    for name, values in fields.lists():
        pieces += (_part(boundary, [("name", name)], "", value) for value in values)
    for name, files in request._files.lists():
        for file in files:
            named = [("name", name), ("filename", file.name or "")]
            pieces.append(_part(boundary, named, file.content_type or "", ""))
    body = "".join([*pieces, f"--{boundary}--\r\n"]).encode(encoding, "replace")
    return body.ljust(pad_to)


def _part(boundary: str, parameters: Iterable[tuple[str, str]], content_type: str, value: str) -> str:
    # As browsers write a name in a header: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html
    shown = "".join(f'; {name}="{_escaped(text)}"' for name, text in parameters)
    typed = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"--{boundary}\r\nContent-Disposition: form-data{shown}\r\n{typed}\r\n{value}\r\n"


def _escaped(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
