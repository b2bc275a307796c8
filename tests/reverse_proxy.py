"""A real nginx that runs `examples/nginx.conf`, changed only in its addresses and paths."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "nginx.conf"
#: What Debian's nginx would make under /var, where only root may write.
TEMPORARY_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ReverseProxy:
    """Adds `api_key` to each POST and passes the POST on to `upstream`. It may be stopped and started again."""

    def __init__(self, directory: Path, upstream: str, api_key: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        key_file = directory / "key.conf"
        credentials = base64.b64encode(f"{api_key}:".encode()).decode()
        key_file.write_text(f'proxy_set_header Authorization "Basic {credentials}";\n')
        key_file.chmod(0o600)
        server = EXAMPLE.read_text()
        for documented, here in {
            "127.0.0.1:8787": f"127.0.0.1:{self.port}",
            "https://metrics.readme.io": upstream,
            "/etc/nginx/readme-metrics-key.conf": str(key_file),
        }.items():
            assert server.count(f" {documented};") == 1, documented
            server = server.replace(f" {documented};", f" {here};")
        if upstream.startswith("http://"):
            server = "\n".join(line for line in server.splitlines() if "proxy_ssl_" not in line)
        paths = "".join(f"{name}_temp_path {directory / name};\n" for name in TEMPORARY_PATHS)
        (directory / "nginx.conf").write_text(
            f"daemon off; pid {directory / 'pid'}; error_log stderr; worker_processes 1;\n"
            f"events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{paths}{server}\n}}\n"
        )

    def start(self) -> None:
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        assert nginx is not None
        command = [nginx, "-e", "stderr", "-p", str(self._directory), "-c", str(self._directory / "nginx.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline_s = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                assert self._process.poll() is None, self._process.communicate()[1].decode()
                assert time.monotonic() < deadline_s
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.communicate(timeout=60)
            self._process = None
