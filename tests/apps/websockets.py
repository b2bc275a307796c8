"""Apps that serve WebSockets over WSGI, each with another library: `websockets.py LIBRARY SERVER`.

Each echoes texts at `/echo`, and answers anything else over HTTP.
"""

from __future__ import annotations

import sys
from typing import Any

# These servers have to be patched in before anything else is imported.
if sys.argv[2:] in (["gevent.pywsgi"], ["gevent-websocket"]):
    import gevent.monkey

    gevent.monkey.patch_all()
elif sys.argv[2:] == ["eventlet"]:
    import eventlet

    eventlet.monkey_patch()

import wsgi


def flask_sock() -> Any:
    from flask import Flask
    from flask_sock import Sock

    app = Flask("flask_sock_app")
    sock = Sock(app)

    @sock.route("/echo")  # type: ignore[untyped-decorator]
    def echo(socket: Any) -> None:
        while True:
            socket.send(socket.receive())

    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain")
    return app


def flask_socketio() -> Any:
    from flask import Flask
    from flask_socketio import SocketIO, send

    app = Flask("flask_socketio_app")
    socketio = SocketIO(app, async_mode="threading", path="echo", logger=False)
    socketio.on_event("message", lambda text: send(text))
    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain")
    return app


def gevent_websocket() -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        socket = environ.get("wsgi.websocket")
        if socket is None:
            start_response("200 OK", [*wsgi.TEXT])
            return [b"plain"]
        while (text := socket.receive()) is not None:
            socket.send(text)
        return []

    return app


def already_handled() -> Any:
    """Answers on the connection itself, and tells gunicorn so by returning gunicorn's own object."""

    def app(environ: Any, start_response: Any) -> Any:
        from gunicorn.workers.base_async import ALREADY_HANDLED

        if environ["PATH_INFO"] == "/plain":
            start_response("200 OK", [*wsgi.TEXT])
            return [b"plain"]
        environ["gunicorn.socket"].sendall(b"HTTP/1.1 299 Mine\r\nContent-Length: 4\r\n\r\nmine")
        return ALREADY_HANDLED

    return app


LIBRARIES = {made.__name__: made for made in (flask_sock, flask_socketio, gevent_websocket, already_handled)}


def make(library: str) -> Any:
    return wsgi.make(LIBRARIES[library]())


def werkzeug(app: Any) -> None:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    announce(server.port)
    server.serve_forever()


def gevent_pywsgi(app: Any) -> None:
    from gevent.pywsgi import WSGIServer

    serve_by_gevent(WSGIServer(("127.0.0.1", 0), app, log=None))


def gevent_handler(app: Any) -> None:
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    serve_by_gevent(WSGIServer(("127.0.0.1", 0), app, log=None, handler_class=WebSocketHandler))


def serve_by_gevent(server: Any) -> None:
    server.start()
    announce(server.server_port)
    server.serve_forever()


def eventlet_wsgi(app: Any) -> None:
    import eventlet.wsgi

    listener = eventlet.listen(("127.0.0.1", 0))
    announce(listener.getsockname()[1])
    eventlet.wsgi.server(listener, app, log_output=False)


def announce(port: int) -> None:
    print(f"listening at 127.0.0.1:{port}", file=sys.stderr, flush=True)


SERVERS = {
    "werkzeug": werkzeug,
    "gevent.pywsgi": gevent_pywsgi,
    "gevent-websocket": gevent_handler,
    "eventlet": eventlet_wsgi,
}

if __name__ == "__main__":
    SERVERS[sys.argv[2]](make(sys.argv[1]))
