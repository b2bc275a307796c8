"""The fixtures of the tests of Django's door.

Only those tests import Django: other tests run without it, and a process has one set of settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from readme_metrics.collector import Collector


@pytest.fixture
def django_urls() -> Iterator[None]:
    """The URLs of the tests' own project, and no middleware."""
    from django.test import override_settings

    with override_settings(ROOT_URLCONF="apps.django_project", MIDDLEWARE=[]):
        yield


@pytest.fixture
def django_logs(
    django_urls: None, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Any]]:
    """Waits for a number of logs, and returns their HAR entries; the configuration is in the settings."""
    from django_door import configured, taken

    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    with configured():
        yield lambda count: taken(collector, count)
