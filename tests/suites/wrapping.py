"""A pytest plugin: puts the middleware round every app that a framework's own test suite calls.

`SUITE_DOOR` names the one place of that framework through which its tests reach an app. Nothing is wrapped unless
`SUITE_IS_WRAPPED` is set. `SUITE_LOGS` is the file that takes the logs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

if os.environ["SUITE_DOOR"] == "gevent_pywsgi":
    # Before anything starts a thread. gevent's own suite patches, too, but later.
    import gevent.monkey

    gevent.monkey.patch_all()

import _pytest.compat
import _pytest.monkeypatch

from readme_metrics import MetricsApiConfig, MetricsMiddleware

# Without `base_log_url`, so that no response gets a header of ours: many of these tests compare all headers.
CONFIG = MetricsApiConfig(
    "made-up",
    lambda request: {"api_key": f"caller of {request.method} {request.path}", "label": "a", "email": "b"},
    dry_run=os.environ["SUITE_LOGS"],
)


def _app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return []


#: Keeps the flusher alive that all middlewares here share, and knows what became of the logs.
KEEPER = MetricsMiddleware(_app, CONFIG)


def wrapped(app: Any) -> Any:
    return MetricsMiddleware(app, CONFIG) if callable(app) and not isinstance(app, MetricsMiddleware) else app


def werkzeug() -> None:
    import werkzeug.test

    run = werkzeug.test.run_wsgi_app
    werkzeug.test.run_wsgi_app = lambda app, *args, **options: run(wrapped(app), *args, **options)


def webob() -> None:
    from webob.request import BaseRequest

    call = BaseRequest.call_application
    BaseRequest.call_application = lambda self, app, *args, **options: call(self, wrapped(app), *args, **options)


def bottle() -> None:
    import bottle

    _wrap_call(bottle.Bottle)


def falcon() -> None:
    import falcon

    _wrap_call(falcon.App)


def pyramid() -> None:
    from pyramid.router import Router

    _wrap_call(Router)
    webob()


def gevent_pywsgi() -> None:
    from gevent.pywsgi import WSGIServer

    initialise = WSGIServer.__init__

    def init(self: Any, listener: Any, application: Any = None, *args: Any, **options: Any) -> None:
        initialise(self, listener, wrapped(application), *args, **options)

    WSGIServer.__init__ = init


def cheroot() -> None:
    from cheroot.wsgi import Server

    initialise = Server.__init__

    def init(self: Any, bind_addr: Any, wsgi_app: Any, *args: Any, **options: Any) -> None:
        initialise(self, bind_addr, wrapped(wsgi_app), *args, **options)

    Server.__init__ = init  # type: ignore[method-assign]


def cherrypy() -> None:
    import cherrypy

    _wrap_call(cherrypy._cptree.Tree)


def _wrap_call(app_class: Any) -> None:
    call = app_class.__call__
    app_class.__call__ = lambda self, *args, **options: wrapped(lambda *more: call(self, *more))(*args, **options)


DOORS = {door.__name__: door for door in (werkzeug, webob, bottle, falcon, pyramid, gevent_pywsgi, cheroot, cherrypy)}


def pytest_configure() -> None:
    # Flask 3.1's conftest was written for pytest 8, which had `notset` there.
    if not hasattr(_pytest.monkeypatch, "notset"):
        _pytest.monkeypatch.notset = _pytest.compat.NOTSET  # type: ignore[attr-defined]
    if "SUITE_IS_WRAPPED" in os.environ:
        list(KEEPER({"REQUEST_METHOD": "GET"}, lambda *_: print))  # the first log makes the flusher
        DOORS[os.environ["SUITE_DOOR"]]()


def pytest_unconfigure() -> None:
    if "SUITE_STATS" in os.environ:
        stats: Any = KEEPER.stats()
        Path(os.environ["SUITE_STATS"]).write_text(json.dumps({"made": stats["made"], "dropped": stats["dropped"]}))
