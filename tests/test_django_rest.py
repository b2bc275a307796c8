"""Django REST framework behind Django's door: its parsers get what they get without us, and the log has the body."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from apps import django_project  # noqa: F401 - the settings, which REST framework reads at import

pytest.importorskip("rest_framework")

from django.urls import path
from rest_framework.parsers import FileUploadParser, FormParser, JSONParser, MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from django_door import OURS, by_asgi, by_wsgi, configured, taken
from readme_metrics.collector import Collector

FORM = "apps.django_project.FormMiddleware"
BOUNDARY = "----b0undary"
MULTIPART = (
    (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="token"\r\n\r\ns3cret\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="item"\r\n\r\nowl\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n'
        f"Content-Type: image/png\r\n\r\n"
    ).encode()
    + b"\x89PNG" * 5000
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)
BODIES = {
    "json": ("application/json", b'{"item": "owl", "token": "s3cret"}'),
    "form": ("application/x-www-form-urlencoded", b"item=owl&token=s3cret"),
    "multipart": (f"multipart/form-data; boundary={BOUNDARY}", MULTIPART),
    "broken": ("application/json", b'{"item": '),
    "unknown": ("application/x-unknown", b"x"),
}


class Orders(APIView):  # type: ignore[misc]
    """Answers with what it was sent, or with the parser's own error."""

    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = ()
    parser_classes: tuple[Any, ...] = (JSONParser, FormParser, MultiPartParser)

    def post(self, request: Any) -> Any:
        data = {name: getattr(value, "size", value) for name, value in request.data.items()}
        return Response({**data, "files": sorted(request.FILES)})


class Upload(Orders):
    parser_classes = (FileUploadParser,)

    def post(self, request: Any, filename: str = "") -> Any:
        return Response({"size": request.data["file"].size})


urlpatterns = [path("orders", Orders.as_view()), path("upload/<str:filename>", Upload.as_view())]


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    rest = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"], "UNAUTHENTICATED_USER": None}
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[], REST_FRAMEWORK=rest):
        yield


@pytest.fixture
def logs(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    with configured(denylist=["token"]):
        yield lambda count: taken(collector, count)


@pytest.mark.parametrize("handler", [by_wsgi, by_asgi])
@pytest.mark.parametrize("kind", BODIES)
def test_parsers_get_what_they_get_without_us(logs: Callable[[int], Any], handler: Any, kind: str) -> None:
    content_type, body = BODIES[kind]
    with override_settings(MIDDLEWARE=[]):
        bare = handler("/orders", "POST", body, content_type)
    seen = handler("/orders", "POST", body, content_type)
    assert seen.without_ours() == bare.without_ours()
    [entry] = logs(1)
    request = entry["request"]
    assert entry["response"]["status"] == bare.status and request["bodySize"] == len(body)
    assert "s3cret" not in json.dumps(entry)
    if kind in ("form", "multipart"):
        values = {param["name"]: param["value"] for param in request["postData"]["params"]}
        assert (values["item"], values["token"]) == ("owl", "[REDACTED 6]")
    elif kind == "json":
        assert request["postData"]["text"] == '{"item": "owl", "token": "[REDACTED 6]"}'


@pytest.mark.parametrize("handler", [by_wsgi, by_asgi])
def test_a_file_as_the_whole_body(logs: Callable[[int], Any], handler: Any) -> None:
    answer = handler("/upload/a.bin", "POST", b"\xff" * 5_000, "application/octet-stream")
    assert (answer.status, json.loads(answer.body)) == (200, {"size": 5_000})
    [entry] = logs(1)
    assert entry["request"]["bodySize"] == 5_000


@pytest.mark.parametrize("handler", [by_wsgi, by_asgi])
def test_a_form_that_something_further_out_has_parsed(logs: Callable[[int], Any], handler: Any) -> None:
    content_type, body = BODIES["multipart"]
    with override_settings(MIDDLEWARE=[FORM, OURS]):
        answer = handler("/orders", "POST", body, content_type)
    assert json.loads(answer.body)["files"] == ["photo"]
    [entry] = logs(1)
    assert entry["request"]["bodySize"] == len(body)
    assert entry["request"]["postData"] == {
        "mimeType": "multipart/form-data",
        "params": [
            {"name": "token", "value": "[REDACTED 6]"},
            {"name": "item", "value": "owl"},
            {"name": "photo", "value": "", "fileName": "a.png", "contentType": "image/png"},
        ],
    }
