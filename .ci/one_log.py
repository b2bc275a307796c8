"""The smallest proof that an installed wheel works, on any system: one request in, one log out.

    python .ci/one_log.py
"""

from __future__ import annotations

import sys
from wsgiref.util import setup_testing_defaults

import readme_metrics
from readme_metrics import MetricsApiConfig, MetricsMiddleware

# Before anything else is imported: another package's module may turn the GIL on, ours must not.
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def app(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"password": "hunter2", "kept": 1}']


def main() -> int:
    import os
    import sysconfig

    from readme_metrics.commands.collector import Collector

    if sysconfig.get_config_var("Py_GIL_DISABLED") and HAS_GIL:
        print("importing readme_metrics turned the GIL on", file=sys.stderr)
        return 1
    with Collector() as collector:
        os.environ["README_METRICS_SERVER"] = collector.url
        config = MetricsApiConfig("key", lambda request: {"api_key": "caller"}, denylist=["password"])
        middleware = MetricsMiddleware(app, config)
        environ: dict[str, object] = {}
        setup_testing_defaults(environ)
        response = middleware(environ, lambda status, headers: lambda data: None)
        assert b"".join(response) == b'{"password": "hunter2", "kept": 1}'
        response.close()  # type: ignore[attr-defined]
        assert middleware.flush(30) == 0, middleware.stats()
        [log] = collector.logs
    assert log["request"]["log"]["entries"][0]["response"]["content"]["text"] == '{"password": "[REDACTED 7]", "kept": 1}'
    print(f"readme-metrics {readme_metrics.__version__} on {sys.version.split()[0]} {sys.platform}: one request, one log")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
