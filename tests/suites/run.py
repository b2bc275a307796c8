"""Runs the test suites of frameworks and servers twice, bare and with our middleware round every app that they call.

    python tests/suites/run.py              # all of SUITES
    python tests/suites/run.py flask bottle

Prints a table, and each test that fails only when wrapped, unless its suite's entry expects the failure: some tests
assert that two objects are identical, or count calls. Unexpected failures make the exit status 1.

A suite is taken from the installed package or from the sdist of the installed version, which pip fetches into
`target/suites`. Nothing of a suite is kept in this repository.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).parent
DOWNLOADS = HERE.parent.parent / "target" / "suites"
#: A suite that hangs is a finding; no suite takes a third of this time.
TIMEOUT_S = 900


class Suite(NamedTuple):
    #: Its name on the package index.
    package: str
    #: A function of `wrapping.py`.
    door: str
    #: What pytest is given, relative to the sdist; a module's name if it is installed with the package.
    tests: tuple[str, ...] = ("tests",)
    options: tuple[str, ...] = ()
    #: What its tests import beside the package.
    requires: tuple[str, ...] = ()
    is_installed: bool = False
    #: Tests that fail when wrapped, by a pattern of their names, and why that is right.
    expected: tuple[tuple[str, str], ...] = ()


SUITES = {
    # The development server is a process of its own, which nothing here wraps.
    "werkzeug": Suite(
        "Werkzeug",
        "werkzeug",
        options=("-m", "not dev_server"),
        requires=("ephemeral-port-reserve", "cryptography"),
    ),
    "flask": Suite("Flask", "werkzeug", requires=("asgiref", "python-dotenv")),
    "bottle": Suite("bottle", "bottle", tests=("test",)),
    "webtest": Suite("WebTest", "webob", requires=("pyquery", "wsgiproxy2", "PasteDeploy")),
    "webob": Suite("WebOb", "webob"),
    # Its tests of servers start processes of their own, which nothing here wraps, and wait for each.
    "falcon": Suite(
        "falcon",
        "falcon",
        options=("--ignore-glob=*_servers*.py", "--ignore=tests/asgi"),
        requires=("pyyaml", "msgpack", "mujson", "ujson", "testtools"),
    ),
    "pyramid": Suite("pyramid", "pyramid", requires=("WebTest", "zope.component")),
    "cheroot": Suite(
        "cheroot",
        "cheroot",
        tests=("cheroot/test",),
        requires=("jaraco.text", "portend", "trustme", "requests_unixsocket", "pytest-mock", "pyOpenSSL"),
    ),
    # Its configuration turns warnings into errors, and its tests leave files to the garbage collector, which then makes
    # another test fail in each run.
    "cherrypy": Suite(
        "CherryPy",
        "cherrypy",
        tests=("cherrypy/test",),
        options=("-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
        requires=("objgraph", "path", "requests_toolbelt", "setuptools<80", "jaraco.text", "routes"),
    ),
    "gevent": Suite(
        "gevent", "gevent_pywsgi", tests=("gevent.tests.test__pywsgi",), is_installed=True, requires=("objgraph",)
    ),
}


class Outcome(NamedTuple):
    #: The result of each test, by its name: passed, failed or skipped.
    results: dict[str, str]
    made: int
    dropped: int

    def count(self, result: str) -> int:
        return sum(found == result for found in self.results.values())


def sdist(package: str) -> Path:
    """The unpacked sdist of the installed version."""
    wanted = f"{package}=={version(package)}"
    place = DOWNLOADS / wanted
    if not place.exists():
        # pip asks the sdist for its metadata, with the build tools that it names.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package]
        subprocess.run([*pip, "--dest", str(DOWNLOADS), wanted], check=True)
        name = re.sub(r"[-_.]+", "[-_.]", package)
        [archive] = [
            path
            for path in DOWNLOADS.iterdir()
            if re.fullmatch(rf"(?i){name}-{re.escape(version(package))}\.tar\.gz", path.name)
        ]
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
    [root] = [path for path in place.iterdir() if path.is_dir()]
    return root


def run(suite: Suite, *, wrapped: bool) -> Outcome:
    root = DOWNLOADS if suite.is_installed else sdist(suite.package)
    report, stats, logs = (DOWNLOADS / name for name in ("report.xml", "stats.json", "logs.jsonl"))
    for path in (report, stats, logs):
        path.unlink(missing_ok=True)
    tests = ("--pyargs", *suite.tests) if suite.is_installed else suite.tests
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "wrapping",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:anyio",
        "-o",
        "addopts=",
        "--continue-on-collection-errors",
    ]
    command += [f"--junit-xml={report}", *suite.options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "SUITE_STATS": str(stats), "SUITE_LOGS": str(logs)}
    environment["SUITE_DOOR"] = suite.door
    environment.pop("SUITE_IS_WRAPPED", None)
    if wrapped:
        environment["SUITE_IS_WRAPPED"] = "1"
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    if not report.exists():
        raise SystemExit(f"pytest made no report of {suite.package}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):  # written by the process that we have just started
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case}
        results[name] = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    counts = json.loads(stats.read_text())
    return Outcome(results, counts["made"], sum(counts["dropped"].values()))


def main(names: list[str]) -> int:
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    # A suite without a configuration of its own must not find ours.
    (DOWNLOADS / "pytest.ini").write_text("[pytest]\n")
    heading = ("suite", "tests", "failed bare", "failed wrapped", "expected", "only wrapped", "logs", "dropped")
    print("| " + " | ".join(heading) + " |\n" + "|---" * len(heading) + "|", flush=True)
    unexpected: list[str] = []
    for name in names or SUITES:
        suite = SUITES[name]
        # What is installed already stays as it is.
        wanted = (suite.package, *suite.requires)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wanted], check=True)
        bare, wrapped = (run(suite, wrapped=is_wrapped) for is_wrapped in (False, True))
        worse = [test for test, result in wrapped.results.items() if result == "failed" != bare.results.get(test)]
        known = [test for test in worse if any(re.search(pattern, test) for pattern, _ in suite.expected)]
        new = [test for test in worse if test not in known]
        unexpected += [f"{name}: {test}" for test in new]
        row = (
            f"{suite.package} {version(suite.package)}",
            len(bare.results),
            bare.count("failed"),
            wrapped.count("failed"),
        )
        print(
            "| " + " | ".join(map(str, (*row, len(known), len(new), f"{wrapped.made:,}", wrapped.dropped))) + " |",
            flush=True,
        )
    for test in unexpected:
        print(test)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
