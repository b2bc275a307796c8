"""Libraries with which apps replace the network and the clock, tried in a process of their own.

VCR replaces the connection classes for all threads at once, and puts the real ones back for the time of each request.
The flushers of earlier tests make requests too: a connection of ours that is made during one of them is not recorded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_vcr_and_freezegun() -> None:
    tests = Path(__file__).with_name("vcr_and_freezegun.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout, done.stdout
