"""The view and the grouping function, in a module that imports a model."""

from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse


def grouping_function(request: HttpRequest) -> dict[str, str]:
    assert User._meta.app_label == "auth"
    return {"api_key": "owlbert-api-key", "label": "Owlbert", "email": "owlbert@example.com"}


def index(request: HttpRequest) -> JsonResponse:
    if request.method == "GET":
        return JsonResponse({"message": "hello world"}, json_dumps_params={"separators": (",", ":")})
    return JsonResponse({"bytes": len(request.body)})
