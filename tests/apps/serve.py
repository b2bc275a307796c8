"""Serves `wsgi:make()` with a server that runs inside one process: `serve.py waitress|cheroot|wsgiref`."""

from __future__ import annotations

import sys
from typing import Any

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


def announce(port: int) -> None:
    print(f"listening at 127.0.0.1:{port}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    {"waitress": waitress, "cheroot": cheroot, "wsgiref": wsgiref}[sys.argv[1]](wsgi.make())
