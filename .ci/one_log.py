"""The smallest proof that an installed wheel works, on any system: one request in, one log out.

python .ci/one_log.py
"""

from __future__ import annotations

import sys
from typing import Any
from wsgiref.util import setup_testing_defaults

import readme_metrics
from readme_metrics import MetricsApiConfig, MetricsMiddleware

# Before anything else is imported: another package's module may turn the GIL on, ours must not.
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"password": "hunter2", "kept": 1}']


def main() -> int:
    import os
    import sysconfig
    import tempfile

    from readme_metrics.collector import Collector

    if sysconfig.get_config_var("Py_GIL_DISABLED") and HAS_GIL:
        print("importing readme_metrics turned the GIL on", file=sys.stderr)
        return 1
    with Collector() as collector, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as queue:
        os.environ["README_METRICS_SERVER"] = collector.url
        os.environ["README_METRICS_QUEUE_DIR"] = queue
        config = MetricsApiConfig("key", lambda request: {"api_key": "caller"}, denylist=["password"])
        middleware = MetricsMiddleware(app, config)
        environ: dict[str, Any] = {}
        setup_testing_defaults(environ)
        response: Any = middleware(environ, lambda status, headers: lambda data: None)
        assert b"".join(response) == b'{"password": "hunter2", "kept": 1}'
        response.close()
        assert middleware.flush(30) == 0, middleware.stats()
        [log] = collector.logs
    content = log["request"]["log"]["entries"][0]["response"]["content"]
    assert content["text"] == '{"password": "[REDACTED 7]", "kept": 1}', log
    python = f"Python {sys.version.split()[0]} on {sys.platform}"
    print(f"readme-metrics {readme_metrics.__version__}, {python}: one request, one log")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
