"""Whatever a client sends is text on the inspector's page, in a real browser."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from inspector_browser import Problems
from inspector_logs import log
from readme_metrics.inspector.web.server import Inspector

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    '"><svg onload=alert(3)>',
    "javascript:alert(4)",
    "http://x/'\"><iframe srcdoc='<script>alert(5)</script>'>",
    "\u202e\u0000\u001b[31m{{7*7}}${7*7}",
]


def test_whatever_a_client_sends_is_text(page: Page, inspector: Inspector, problems: Problems) -> None:
    for number, text in enumerate(HOSTILE):
        fields = [{"name": text, "value": text}, {"name": "f", "fileName": text, "value": ""}]
        logs = [
            log(
                "/" + text, text, log_id=f"{text}{number}", caller=text, headers={text: text}, query=[(text, text)],
                body=json.dumps({text: text}), answer=text, response_type="text/html",
            ),
            log(method="POST", log_id=f"form{number}", params=fields, request_type=text, answer=json.dumps([text])),
        ]  # fmt: skip
        inspector.store.add(logs)
    expect(page.locator("#logs tr")).to_have_count(2 * len(HOSTILE))
    for row in page.locator("#logs tr").all():
        row.click()
        expect(page.locator("#detail .sides")).to_be_visible()
        page.locator("#detail .raw summary").click()
        page.locator("#detail").get_by_role("button", name="Replay…").click()
        expect(page.locator("#detail .replay-box")).to_be_visible()
        page.click("#detail .close")
    page.click("#tab-numbers")
    expect(page.locator("#view-numbers table").first).to_be_visible()
    assert page.locator("main img, main script, main iframe, main object, svg[onload]").count() == 0
    links = page.locator("main a").evaluate_all("links => links.map((link) => link.href)")
    assert not [link for link in links if not link.startswith(("http://", "https://"))]
    assert problems == []


def test_links_in_logs_send_no_referrer(page: Page, inspector: Inspector) -> None:
    inspector.store.add(
        [log(log_id="1", headers={"Referer": "https://example.com/a", "X-Other": "javascript:alert(1)"})]
    )
    page.click("#logs tr")
    links = page.locator("#detail .pairs a")
    expect(links).to_have_count(1)
    assert "noreferrer" in (links.first.get_attribute("rel") or "")


def test_no_script_of_a_log_can_run_even_if_it_gets_in_as_html(page: Page, problems: Problems) -> None:
    """The second protection: if a log's text ever got into the page as HTML, the policy would stop its scripts."""
    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=/icon.svg onload='window.ran = true'>");
            return window.ran === true;
        }"""
    )
    assert not ran
    expect(page.locator("img")).to_have_count(1)
    assert any("Content Security Policy" in problem for problem in problems)
    problems.clear()
