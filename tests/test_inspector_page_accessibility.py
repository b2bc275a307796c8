"""The inspector's page for those who use keys alone, and for screen readers, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from inspector_logs import log
from readme_metrics.inspector.web.server import Inspector


def test_it_can_be_used_by_keys_alone(page: Page, inspector: Inspector) -> None:
    inspector.store.add(log(f"/{number}", log_id=str(number)) for number in range(5))
    expect(page.locator("#logs tr")).to_have_count(5)
    for key in "jjk":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#detail h2")).to_contain_text("/4")
    page.keyboard.press("j")
    expect(page.locator("#detail h2")).to_contain_text("/3")
    expect(page.locator('#logs tr[aria-selected="true"]')).to_have_attribute("data-id", "3")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    page.keyboard.type("path:/2")
    expect(page.locator("#count")).to_have_text("1 of 5")
    page.keyboard.press("Escape")
    expect(page.locator("#count")).to_have_text("5 logs")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_axe_finds_nothing(browser: Browser, inspector: Inspector, scheme: Any, width: int) -> None:
    inspector.store.add(
        log(
            f"/things/{status}",
            "POST",
            status,
            log_id=str(status),
            headers={"X-Key": "[REDACTED 7]", "X-Api-Key": "plain"},
            body='{"a": 1}',
        )
        for status in (200, 301, 404, 500)
    )
    # The page's policy is bypassed, since axe is put into the page as a script.
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    page = context.new_page()
    page.goto(inspector.address)
    expect(page.locator("#logs tr")).to_have_count(4)
    findings: list[tuple[str, object]] = []

    def look() -> None:
        result = Axe().run(page)
        findings.extend(
            (found["id"], [node["target"] for node in found["nodes"]]) for found in result.response["violations"]
        )
        # Nothing is wider than the window.
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    look()
    page.click("#logs tr")
    expect(page.locator("#detail .sides")).to_be_visible()
    look()
    page.click("#detail .close")
    page.click("#tab-numbers")
    expect(page.locator("#view-numbers table").first).to_be_visible()
    look()
    page.click("#tab-trial")
    expect(page.locator("#trial-result table")).to_be_visible()
    look()
    context.close()
    assert findings == []
