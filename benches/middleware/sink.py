"""A Metrics server that costs next to nothing: answers, counts the logs, looks at nothing. In a process of its own.

The measured processes share this machine with the sink; a server that parsed logs would take more of it than they do.
"""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from types import TracebackType

ANSWER = b'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n{"baseUrl":"https://example.com"}'
#: Once in each log, and nowhere else: quotes inside bodies are escaped.
KEY = b'"clientIPAddress"'


class Sink:
    """The sink's process, as a context manager."""

    def __enter__(self) -> Sink:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self._line()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def count(self) -> int:
        """How many logs have come so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline().lower()) not in (b"\r\n", b""):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            logs = self.rfile.read(length).count(KEY)
            with self.server.lock:
                self.server.logs += logs
            self.wfile.write(ANSWER % (b"202 Accepted" if line.startswith(b"POST") else b"200 OK"))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    lock = threading.Lock()
    logs = 0


def main() -> None:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        for _ in sys.stdin:
            with server.lock:
                print(server.logs, flush=True)
        server.shutdown()


if __name__ == "__main__":
    main()
