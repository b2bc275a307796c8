"""`make inspector-soak`: memory of `readme-metrics inspect` and its page while 100,000 logs beyond its bound arrive."""

from __future__ import annotations

import psutil
import pytest
from playwright.sync_api import Browser, expect

from inspecting import inspecting
from inspector_logs import log
from readme_metrics.inspector.logs.store import MAX_LOGS

MORE = 100_000
BATCH = 500
#: What the allocators of Python and of the browser may keep beyond what is in use.
SLACK_MB = 40.0


@pytest.mark.timeout(1800)
def test_memory_is_flat(browser: Browser) -> None:
    made = 0

    def post(count: int) -> None:
        nonlocal made
        for first in range(made, made + count, BATCH):
            logs = [log(f"/things/{first + n}", caller=f"caller {n}", body="{}" * 500) for n in range(BATCH)]
            assert page.post(*logs).status_code == 202
        made += count

    with inspecting() as page:
        seen = browser.new_page()
        seen.goto(page.address)
        memory = psutil.Process(page.process.pid).memory_info

        def row() -> tuple[float, float]:
            expect(seen.locator("#count")).to_have_text(f"{MAX_LOGS:,} logs")
            page.wait_for(lambda: page.logs("limit=1")[0]["path"] == f"/things/{made - 1}")
            heap = seen.evaluate("window.gc?.(); performance.memory.usedJSHeapSize")
            mb = memory().rss / 1e6, heap / 1e6
            print(f"{made:8,} logs: process {mb[0]:6.1f} MB, page {mb[1]:6.1f} MB")
            return mb

        post(2 * MAX_LOGS)
        before = row()
        for _ in range(4):
            post(MORE // 4)
            after = row()
    assert after[0] < before[0] + SLACK_MB and after[1] < before[1] + SLACK_MB
