"""Serves `wsgi:make()`, or the app MODULE:APP, with a server that is one process: `serve.py NAME [MODULE:APP]`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# These servers have to be patched in before anything else is imported.
if sys.argv[1:2] == ["gevent"]:
    import gevent.monkey

    gevent.monkey.patch_all()
elif sys.argv[1:2] == ["eventlet"]:
    import eventlet

    eventlet.monkey_patch()

import wsgi


def waitress(app: Any) -> None:
    from waitress.server import create_server

    server = create_server(app, host="127.0.0.1", port=0)
    announce(server.effective_port)
    server.run()


def cheroot(app: Any) -> None:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", 0), app)
    server.prepare()
    announce(server.bind_addr[1])
    server.serve()


def wsgiref(app: Any) -> None:
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", 0, app) as server:
        announce(server.server_port)
        server.serve_forever()


def gevent_pywsgi(app: Any) -> None:
    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    announce(server.server_port)
    server.serve_forever()


def eventlet_wsgi(app: Any) -> None:
    import eventlet.wsgi

    listener = eventlet.listen(("127.0.0.1", 0))
    announce(listener.getsockname()[1])
    # With `debug`, the body of a 500 is a traceback, which names our files too.
    eventlet.wsgi.server(listener, app, log_output=False, debug=False)


def announce(port: int) -> None:
    print(f"listening at 127.0.0.1:{port}", file=sys.stderr, flush=True)


SERVERS = {
    "waitress": waitress,
    "cheroot": cheroot,
    "wsgiref": wsgiref,
    "gevent": gevent_pywsgi,
    "eventlet": eventlet_wsgi,
}

if __name__ == "__main__":
    name, *place = sys.argv[1:]
    if place:
        module, _, attribute = place[0].partition(":")
        SERVERS[name](getattr(importlib.import_module(module), attribute))
    else:
        SERVERS[name](wsgi.make())
