"""`all_checks`: each link of the way from the configuration to the Metrics server, in order."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import requests.utils

from readme_metrics import MetricsApiConfig, _core
from readme_metrics.commands import app_directories
from readme_metrics.commands.checks.finding import Finding
from readme_metrics.commands.checks.logging_check import logging_check
from readme_metrics.commands.checks.relay_checks import relay_checks
from readme_metrics.configuration import outside
from readme_metrics.delivery import queue_dirs
from readme_metrics.delivery.senders.choice import destination
from readme_metrics.delivery.senders.http import Transport, server, without_credentials
from readme_metrics.delivery.senders.outcome import Outcome
from readme_metrics.delivery.senders.redis import RedisStream

#: The name of the finding that lists each option, its value and where the value is from.
OPTIONS = "options"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TEST_STATUS = "200 OK"
#: The answers of a reverse proxy whose upstream does not answer (RFC 9110, 15.6.3 and 15.6.5).
_GATEWAY_STATUSES = ("HTTP 502", "HTTP 504")


def all_checks(config: MetricsApiConfig) -> Iterator[Finding]:
    """One finding for each link. If a link to the server is broken, the links behind it are not tried."""
    configuration = _configuration(config)
    yield configuration
    yield _options(config)
    yield _switches(config)
    yield logging_check(config)
    yield _queue(config)
    yield _threads()
    if config.relay:
        broken = False
        for finding in relay_checks(config):
            yield finding
            broken |= finding.link == "redis" and not finding.is_ok
        if not broken:
            yield _test_log(config)
        yield _history(config)
        return
    yield _route(config)
    proxy = _proxy(config)
    yield proxy
    authorities = _authorities()
    yield authorities
    if configuration.is_ok and proxy.is_ok and authorities.is_ok:
        name = _name(config)
        yield name
        if name.is_ok:
            yield _test_log(config)
    yield _history(config)


def _configuration(config: MetricsApiConfig) -> Finding:
    key = config.README_API_KEY
    shown = "none, since the relay has it" if config.relay else _shown(key)
    lists = f"denylist of {len(config.DENYLIST)}" if config.DENYLIST else f"allowlist of {len(config.ALLOWLIST)}"
    detail = (
        f"API key {shown}, destination {destination(config)}, buffer_length {config.BUFFER_LENGTH}, "
        f"flush_interval {config.flush_interval} s, timeout {config.METRICS_API_TIMEOUT} s, "
        f"{lists if config.DENYLIST or config.ALLOWLIST else 'no lists'}"
    )
    if missing := config.missing_argument():
        return Finding("configuration", False, detail, f"{missing} is None or blank, so nothing is logged: give it")
    try:
        config.imported_grouping_function()
    except (TypeError, ValueError) as error:
        return Finding("configuration", False, f"{detail}; {error}", "correct the path of the grouping function")
    if key != key.strip() or not key.isascii():
        return Finding(
            "configuration", False, detail, "the API key has spaces or other strange characters: copy it again"
        )
    if not config.relay and urlsplit(server(config)).scheme not in ("http", "https"):
        return Finding("configuration", False, detail, "README_METRICS_SERVER is not a URL that starts with https://")
    return Finding("configuration", True, detail)


def _shown(key: str) -> str:
    return f"{key[:5]}...{key[-4:]}" if len(key) >= 16 else f"{len(key)} characters"


def _options(config: MetricsApiConfig) -> Finding:
    rows = outside.effective(config)
    return Finding(OPTIONS, True, "; ".join(f"{name} = {value} ({origin})" for name, value, origin in rows))


def _switches(config: MetricsApiConfig) -> Finding:
    if config.is_disabled:
        return Finding("switches", False, "README_METRICS_DISABLED is set: nothing is logged", "unset it")
    if config.dry_run:
        return Finding("switches", False, "a dry run: nothing is sent", "unset README_METRICS_DRY_RUN and dry_run")
    return Finding("switches", True, "neither disabled nor a dry run")


def _queue(config: MetricsApiConfig) -> Finding:
    name = queue_dirs.name(config)
    queue = _core.Queue(queue_dirs.directories(config), name, config.queue_bytes)
    directory, refusals = queue.directory, "; ".join(queue.refusals)
    queue.close()
    if directory is None:
        advice = "make one of these usable, or set README_METRICS_QUEUE_DIR; until then a killed worker's logs are lost"
        return Finding("queue", False, f"private memory, since no directory can be used: {refusals}", advice)
    return Finding("queue", True, f"in {directory}" + (f" (not: {refusals})" if refusals else ""))


def _threads() -> Finding:
    thread = threading.Thread(target=lambda: None)
    try:
        thread.start()
    except RuntimeError as error:
        return Finding(
            "threads", False, str(error), "raise the limit of processes (ulimit -u, the container's pids limit)"
        )
    thread.join()
    return Finding("threads", True, "can be started (under uWSGI, set enable-threads)")


def _route(config: MetricsApiConfig) -> Finding:
    url = server(config)
    if url == config.METRICS_API:
        return Finding("route", True, f"{url}, ReadMe itself")
    whose = "a reverse proxy there has to add the key, or pass the app's on"
    shown = without_credentials(url)
    return Finding("route", True, f"{shown} in place of {config.METRICS_API} (README_METRICS_SERVER): {whose}")


def _proxy(config: MetricsApiConfig) -> Finding:
    url = server(config)
    proxy = requests.utils.get_environ_proxies(url, no_proxy=None).get(urlsplit(url).scheme)
    if not proxy:
        return Finding("proxy", True, "none")
    host = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        shown = f"{host.hostname}:{host.port or 80}"
        with socket.create_connection((host.hostname or "", host.port or 80), config.METRICS_API_TIMEOUT):
            return Finding("proxy", True, shown)
    except (OSError, ValueError) as error:
        advice = "correct HTTPS_PROXY, or name the server in NO_PROXY"
        return Finding("proxy", False, f"cannot be reached: {error}", advice)


def _authorities() -> Finding:
    for variable in _CA_VARIABLES:
        if path := os.environ.get(variable):
            is_there = Path(path).exists()
            detail = f"{variable}={path}" + ("" if is_there else ", which does not exist")
            return Finding("certificates", is_there, detail, "" if is_there else f"correct or unset {variable}")
    return Finding("certificates", True, "those that come with requests")


def _name(config: MetricsApiConfig) -> Finding:
    url = server(config)
    host = urlsplit(url).hostname or ""
    if requests.utils.get_environ_proxies(url, no_proxy=None).get(urlsplit(url).scheme):
        return Finding("name", True, "left to the proxy")
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError as error:
        return Finding("name", False, f"{host} is not known here: {error}", "check README_METRICS_SERVER and the DNS")
    return Finding("name", True, f"{host} is {', '.join(sorted(addresses))}")


def _test_log(config: MetricsApiConfig) -> Finding:
    encoder = _core.Encoder(
        denylist=[],
        allowlist=[],
        redact_nested=False,
        development=True,
        max_body_bytes=0,
        trust_forwarded=False,
        platform="doctor",
    )
    queue = _core.Queue([], "doctor", 1024 * 1024)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/readme-metrics-doctor", "HTTP_HOST": "localhost"}
    capture = _core.Capture(encoder, environ)
    capture.set_caller(("readme-metrics-doctor", None, None))
    queue.record(capture, None, _TEST_STATUS, [])
    batch = queue.peek(1, 1024 * 1024)
    if batch is None:
        return Finding("test log", False, "could not be queued", "please report this")
    [log] = json.loads(batch.json)
    started_s = time.monotonic()
    sender = RedisStream(config) if config.relay else Transport(config)
    result = sender.post(batch.json, batch.count)
    sender.close()
    detail = f"{result.reason} after {time.monotonic() - started_s:.2f} s"
    if result.outcome is Outcome.SENT:
        return Finding("test log", True, f"{detail}, id {log['_id']}")
    return Finding("test log", False, detail, result.hint or _advice(result.reason, config))


def _advice(reason: str, config: MetricsApiConfig) -> str:
    if reason in _GATEWAY_STATUSES and server(config) != config.METRICS_API:
        return f"the reverse proxy at {destination(config)} answers, and cannot reach ReadMe; logs are kept and retried"
    if reason.startswith("HTTP"):
        return "the server has a problem, or README_METRICS_SERVER points to something else; logs are kept and retried"
    if "SSL" in reason:
        return "its certificate is not trusted: name your organisation's authority in REQUESTS_CA_BUNDLE"
    if "Proxy" in reason:
        return "the proxy refuses: check HTTPS_PROXY"
    if "Timeout" in reason or "Read" in reason:
        return f"no answer within {config.METRICS_API_TIMEOUT} s: a firewall may drop it, or `timeout` is too short"
    where = destination(config)
    return f"nothing answers at {where}, or the connection is cut: check README_METRICS_SERVER and the firewall"


def _history(config: MetricsApiConfig) -> Finding:
    """What became of the logs that the app's processes have made so far."""
    name = queue_dirs.name(config)
    others = app_directories.of_other_users(config.queue_dir, name.rpartition("-")[2])
    elsewhere = "".join(f"; {other}" for other in others)
    for rung in queue_dirs.directories(config):
        directory = Path(rung) / name
        try:
            survey = _core.survey(directory)
        except OSError:
            continue
        counts, known = survey.counts, survey.server
        dropped = {reason: count for reason, count in counts.dropped.items() if count}
        detail = f"{counts.made} made, {counts.sent} sent, {counts.queued} queued, dropped: {dropped or 'none'}"
        if known.failures:
            detail += f"; the last {known.failures} POSTs failed: {known.last_error}"
            return Finding("app", False, detail + elsewhere, "the app cannot deliver: see above, and its log")
        if counts.made == 0:
            break
        return Finding("app", True, detail + elsewhere)
    detail = "no request has been logged yet on this host, with this key and server, by this user"
    return Finding("app", True, detail + elsewhere)
