"""`readme-metrics relay`: takes logs from Redis streams and posts them to ReadMe."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.util import find_spec

from readme_metrics._process import environment
from readme_metrics.relay import address, keys

_EPILOG = """\
Any number of these processes share the work. A project's key comes from an environment variable (--project) or from a
file (--keys), and is never in Redis. The logs go to README_METRICS_SERVER, if that is set, else to ReadMe.

exit status:
  0  ended by SIGTERM, SIGINT or SIGHUP; what was held has been given back
  1  the address for --metrics cannot be had, or what was held could not be given back
  2  an argument, a key or redis-py is missing"""


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "relay",
        help="take logs from a Redis stream and post them to ReadMe",
        description="Take the logs that apps with `relay=` have added to Redis streams, and post them to ReadMe.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--redis",
        metavar="URL",
        help="redis://... or rediss://... (default: README_METRICS_RELAY)",
    )
    add("--project", action="append", default=[], metavar="NAME=VARIABLE", help="a project, and where its key is")
    add("--keys", metavar="FILE", help="a file of mode 0600 with lines NAME=KEY")
    add("--timeout", type=_seconds, default=3.0, metavar="S", help="seconds for one POST (%(default)s)")
    add("--compress", action="store_true", help="send the logs gzipped")
    add(
        "--take-over-after",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds after which what a dead relay held is taken over (%(default)s); at least three times --timeout",
    )
    add("--shutdown-timeout", type=_seconds, default=5.0, metavar="S", help="seconds for the end (%(default)s)")
    add("--metrics", type=_host_port, metavar="HOST:PORT", help="serve Prometheus text at /metrics there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Relays until SIGINT or SIGTERM. Returns the exit status that the help describes."""
    url = options.redis or environment.relay()
    try:
        if url is None:
            raise keys.BadArguments("no Redis server: name it with --redis URL or README_METRICS_RELAY")
        address.checked_url("--redis" if options.redis else "README_METRICS_RELAY", url)
        found = keys.from_environment(options.project)
        for project, key in (keys.from_file(options.keys) if options.keys else {}).items():
            if project in found:
                raise keys.BadArguments(f"project {project} is given twice")
            found[project] = key
        if not found:
            raise keys.BadArguments("no project: name at least one with --project NAME=VARIABLE or --keys FILE")
        if options.take_over_after < 3 * options.timeout:
            raise keys.BadArguments("--take-over-after takes at least three times --timeout")
        if find_spec("redis") is None:
            raise keys.BadArguments('redis-py is missing: pip install "readme-metrics[redis]"')
    except (keys.BadArguments, ValueError) as problem:
        return _fail(str(problem), 2)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    return _relay(options, url, found)


def _relay(options: argparse.Namespace, url: str, found: dict[str, str]) -> int:
    from readme_metrics.relay.exposition import Exposition
    from readme_metrics.relay.service import LOGGER, Options, Relay

    try:
        relay = Relay(
            Options(url, options.timeout, options.take_over_after, options.shutdown_timeout, options.compress), found
        )
    except (TypeError, ValueError):
        return _fail("a parameter of the Redis URL is none of redis-py's, or has a wrong value", 2)
    exposition = None
    if options.metrics:
        try:
            exposition = Exposition(options.metrics[0], options.metrics[1], relay.workers)
        except (OSError, OverflowError) as error:
            return _fail(f"--metrics: {error}", 1)
    try:
        relay.start()
        where = f"; metrics at port {exposition.port}" if exposition else ""
        LOGGER.info("Relaying %s from %s%s", ", ".join(found), address.masked(url), where)
        relay.watch()
    except KeyboardInterrupt:
        pass
    is_given_back = relay.stop()
    if exposition:
        exposition.close()
    LOGGER.info(
        "Ended: %s", "what was held is given back" if is_given_back else "another relay takes over what was held"
    )
    return int(not is_given_back)


def _fail(message: str, status: int) -> int:
    print(f"readme-metrics relay: {message}", file=sys.stderr)
    return status


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise ValueError(text)
    return seconds


def _host_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    number = int(port)
    if not separator or not host or not 0 <= number < 65_536:
        raise ValueError(text)
    return host.strip("[]"), number
