"""The inspector's page with many logs and with a large body, in a real browser."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from inspector_browser import ids
from inspector_logs import log
from readme_metrics.inspector.web.server import Inspector

#: Filters as Enter does, and resolves to the milliseconds until the frame in which the new count stands.
FILTER = """query => new Promise(resolve => {
    const started = performance.now();
    new MutationObserver((_, observer) => {
        observer.disconnect();
        requestAnimationFrame(() => resolve(performance.now() - started));
    }).observe(document.getElementById("count"), {childList: true, characterData: true, subtree: true});
    document.getElementById("filter").value = query;
    document.getElementById("filters").requestSubmit();
})"""


def test_5000_logs(page: Page, inspector: Inspector) -> None:
    inspector.store.add(
        log(f"/things/{number}", status=500 if number % 100 == 0 else 200, body="{}" * 100) for number in range(5000)
    )
    page.reload()
    expect(page.locator("#count")).to_have_text("5,000 logs")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint after {painted:.0f} ms")
    for query, count in {"body:{}{} status:5xx": "50 of 5,000", "path:/things/12* -status:5xx": "110 of 5,000"}.items():
        print(f"{query}: filtered after {page.evaluate(FILTER, query):.0f} ms")
        expect(page.locator("#count")).to_have_text(count)
        page.evaluate(FILTER, "")
        expect(page.locator("#count")).to_have_text("5,000 logs")
    # Older rows are added as the reader scrolls down.
    for _ in range(40):
        page.locator("#list").evaluate("box => { box.scrollTop = box.scrollHeight; }")
        if page.locator("#logs tr").count() > 1500:
            break
        page.wait_for_timeout(100)
    assert page.locator("#logs tr").count() > 1500
    shown = ids(page)
    assert len(set(shown)) == len(shown)


def test_a_large_body_does_not_freeze_the_page(page: Page, inspector: Inspector) -> None:
    text = json.dumps([{"number": number, "text": "x" * 40} for number in range(16_000)])
    assert len(text) > 1_000_000
    inspector.store.add([log(log_id="1", answer=text)])
    page.click("#logs tr")
    expect(page.locator("#detail")).to_contain_text("Show more")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
