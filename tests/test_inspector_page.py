"""The inspector's page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from inspector_logs import log
from readme_metrics.inspector import health
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector
from readme_metrics.redaction.redactor import Lists

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make debian-packages")

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its sandbox, which root cannot have.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    def status(page: Inspector) -> dict[str, Any]:
        findings = health.findings(page.url, page.stand_in.as_dict(), {}, "")
        return {"sources": [], "config": "app:config", "findings": [finding._asdict() for finding in findings]}

    with Inspector(0, Store(), lists=Lists(denylist=("password", "x-key")), status=status) as inspector:
        yield inspector


class Problems(list[str]):
    """What the browser's console has said, and dialogs that have opened."""


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def page(browser: Browser, inspector: Inspector, problems: Problems) -> Iterator[Page]:
    """The page, opened by the printed address. At the end nothing may have gone wrong in the browser."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    watch(page, problems)
    page.goto(inspector.address)
    expect(page.locator("#status")).to_contain_text("live")
    yield page
    context.close()
    assert problems == []


def watch(page: Page, problems: Problems) -> None:
    def dismiss(dialog: Dialog) -> None:
        problems.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismiss)


def ids(page: Page) -> list[str]:
    found: list[str] = page.locator("#logs tr").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    return found


def test_rows_come_by_themselves_newest_first(page: Page, inspector: Inspector) -> None:
    expect(page.locator("#empty")).to_contain_text("README_METRICS_SERVER=" + inspector.url)
    inspector.store.add([log("/one", log_id="1"), log("/two", log_id="2")])
    expect(page.locator("#logs tr")).to_have_count(2)
    assert ids(page) == ["2", "1"]
    inspector.store.add([log("/three", "POST", 503, log_id="3", ms=1234, caller="Jane")])
    expect(page.locator("#logs tr")).to_have_count(3)
    first = page.locator("#logs tr").first
    for text in ("/three", "POST", "503", "1,234", "Jane"):
        expect(first).to_contain_text(text)
    expect(page.locator("#count")).to_have_text("3 logs")
    assert page.url.endswith("/")  # the token is gone from the address


def expect_refusal(problems: Problems, status: int) -> None:
    """The browser's console has said so, and nothing else."""
    assert [problem for problem in problems if f"status of {status} " not in problem] == []
    problems.clear()


def test_the_filter_picks_counts_and_stays_in_the_address(page: Page, inspector: Inspector, problems: Problems) -> None:
    inspector.store.add(log("/ok", log_id=f"ok{number}") for number in range(30))
    inspector.store.add(log("/bad", status=500, log_id=f"bad{number}") for number in range(12))
    page.fill("#filter", "status:5xx")
    expect(page.locator("#count")).to_have_text("12 of 42")
    expect(page.locator("#logs tr")).to_have_count(12)
    inspector.store.add([log("/ok"), log("/bad", status=502, log_id="new")])
    expect(page.locator("#count")).to_have_text("13 of 44")
    assert ids(page)[0] == "new"
    page.reload()
    expect(page.locator("#count")).to_have_text("13 of 44")
    expect(page.locator("#filter")).to_have_value("status:5xx")
    page.fill("#filter", "ms:quick")
    expect(page.locator("#filter-note")).to_contain_text("ms: takes")
    expect_refusal(problems, 400)
    page.fill("#filter", "nothing-like-this")
    expect(page.locator("#empty")).to_contain_text("None of 44")
    page.click("#empty button")
    expect(page.locator("#count")).to_have_text("44 logs")
    page.click('[data-term="status:5xx"]')
    expect(page.locator("#count")).to_have_text("13 of 44")


def test_the_detail_shows_both_sides_and_why(page: Page, inspector: Inspector) -> None:
    inspector.store.add(
        [
            log(
                "/orders", "POST", 201, log_id="1", headers={"X-Key": "[REDACTED 7]", "X-Api-Key": "plain"},
                body='{"password": "[REDACTED 8]", "price": 1.50, "big": 12345678901234567890,'
                ' "user": {"name": "Zoë"}}',
                answer='{"done": true}',
            )
        ]
    )  # fmt: skip
    page.click("#logs tr")
    detail = page.locator("#detail")
    expect(detail).to_contain_text('denylist: "password"')
    expect(detail).to_contain_text('denylist: "x-key"')
    expect(detail).to_contain_text('denylist=["X-Api-Key"]')
    # As it was sent: a parser would have made 1.5 and 12345678901234567000 of these.
    expect(detail).to_contain_text('"price": 1.50')
    expect(detail).to_contain_text('"big": 12345678901234567890')
    expect(detail.locator("mark").first).to_be_visible()
    left, right = (detail.locator(".side").nth(number).bounding_box() for number in range(2))
    assert left and right and left["y"] == right["y"] and left["x"] < right["x"]
    detail.locator(".key", has_text="name").click()
    expect(detail.locator(".rule-note")).to_contain_text('denylist=["user.name"], redact_nested=True')
    page.fill("#detail .find input", "zoë")
    expect(detail.locator(".find")).to_contain_text("1 found")
    page.click("text=Copy as curl")
    expect(page.locator("#toast")).to_contain_text("curl copied")
    assert "$REDACTED_password" in page.evaluate("navigator.clipboard.readText()")
    page.click("text=Copy link")
    expect(page.locator("#toast")).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    page.click("text=The whole log")
    expect(page.locator(".raw pre")).to_contain_text('"_version": 3')
    page.click("#detail .close")
    expect(detail).to_be_hidden()
    page.goto(link)
    expect(detail).to_contain_text("/orders")


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


def test_links_out_of_logs_tell_nobody_where_they_were_found(page: Page, inspector: Inspector) -> None:
    inspector.store.add(
        [log(log_id="1", headers={"Referer": "https://example.com/a", "X-Other": "javascript:alert(1)"})]
    )
    page.click("#logs tr")
    links = page.locator("#detail .pairs a")
    expect(links).to_have_count(1)
    assert "noreferrer" in (links.first.get_attribute("rel") or "")


def test_no_script_of_a_log_could_run_even_as_html(page: Page, problems: Problems) -> None:
    """The second wall: what should ever be put into the page as HTML is stopped by the policy."""
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


def test_pause_holds_rows_back_and_clear_empties(page: Page, inspector: Inspector) -> None:
    inspector.store.add([log(log_id="1")])
    expect(page.locator("#logs tr")).to_have_count(1)
    page.click("#pause")
    inspector.store.add([log(log_id="2"), log(log_id="3")])
    expect(page.locator("#fresh")).to_have_text("2 new logs ↑")
    assert ids(page) == ["1"]
    page.click("#pause")
    expect(page.locator("#logs tr")).to_have_count(3)
    page.click("#clear")
    expect(page.locator("#logs tr")).to_have_count(0)
    assert len(inspector.store) == 0
    inspector.store.add([log(log_id="4")])
    expect(page.locator("#logs tr")).to_have_count(1)


def test_nothing_moves_under_a_reader_who_has_scrolled(page: Page, inspector: Inspector) -> None:
    inspector.store.add(log(f"/{number}", log_id=str(number)) for number in range(200))
    expect(page.locator("#logs tr")).to_have_count(200)
    page.locator("#list").evaluate("box => { box.scrollTop = 1000; }")
    row = page.locator('#logs tr[data-id="150"]')
    before = row.bounding_box()
    inspector.store.add(log(log_id=f"new{number}") for number in range(7))
    expect(page.locator("#fresh")).to_have_text("7 new logs ↑")
    assert row.bounding_box() == before
    page.click("#fresh")
    expect(page.locator("#logs tr")).to_have_count(207)


def test_a_replay_is_confirmed_in_a_form(page: Page, inspector: Inspector, problems: Problems) -> None:
    with Inspector(0, Store()) as target:  # answers 403 to a stranger: an answer like any other
        inspector.store.add([log("/api/logs", log_id="1", host=target.url, headers={"X-Key": "[REDACTED 3]"})])
        page.click("#logs tr")
        page.get_by_role("button", name="Replay…").click()
        page.get_by_role("button", name="Send it").click()
        expect(page.locator(".answer")).to_contain_text("fill in what was redacted first: the header X-Key")
        expect_refusal(problems, 409)
        page.get_by_label("Headers").fill("X-Key: abc")
        page.get_by_role("button", name="Send it").click()
        expect(page.locator(".answer")).to_contain_text("403")


def test_numbers_and_charts(page: Page, inspector: Inspector) -> None:
    inspector.store.add(log("/users/1", ms=number, status=500 if number > 90 else 200) for number in range(1, 101))
    page.click("#tab-numbers")
    row = page.locator("#view-numbers tbody tr", has_text="/users/{id}")
    for text in ("100", "10 %", "50", "95", "99"):
        expect(row).to_contain_text(text)
    assert page.locator("#view-numbers svg rect").count() > 0
    page.get_by_role("button", name="5 min", exact=True).click()
    expect(page.get_by_role("button", name="5 min", exact=True)).to_have_attribute("aria-pressed", "true")


def test_trying_it_shows_what_would_be_sent(page: Page) -> None:
    page.click("#tab-trial")
    expect(page.locator("#trial-denylist")).to_have_value("password, x-key")
    page.fill("#trial-source", '{"password": "a", "card": {"number": 1}}')
    result = page.locator("#trial-result")
    expect(result).to_contain_text('denylist: "password"')
    page.fill("#trial-denylist", "card.number")
    page.check("#trial-nested")
    expect(result).to_contain_text('denylist: "card.number"')
    page.fill("#trial-source", '{"password": ')
    expect(result).to_contain_text("not valid JSON")


def test_5000_logs(page: Page, inspector: Inspector) -> None:
    inspector.store.add(
        log(f"/things/{number}", status=500 if number % 100 == 0 else 200, body="{}" * 100) for number in range(5000)
    )
    page.reload()
    expect(page.locator("#count")).to_have_text("5,000 logs")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint after {painted:.0f} ms")
    started = time.perf_counter()
    page.fill("#filter", "body:{}{} status:5xx")
    expect(page.locator("#count")).to_have_text("50 of 5,000")
    print(f"filtered, seen from outside, after {(time.perf_counter() - started) * 1000:.0f} ms")
    page.fill("#filter", "")
    expect(page.locator("#count")).to_have_text("5,000 logs")
    # Older rows come as the reader gets to them.
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


def test_a_stopped_inspector_is_named(page: Page, inspector: Inspector, problems: Problems) -> None:
    inspector.close()
    expect(page.locator("#status")).to_contain_text("not connected")
    problems.clear()


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
    # Past its policy: axe is put into the page as a script.
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
