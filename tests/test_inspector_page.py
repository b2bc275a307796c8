"""The inspector's page in a real browser: rows, filter, details, replay, numbers."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from inspector_browser import Problems, ids
from inspector_logs import log
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector


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
    """The browser's console has reported this status, and nothing else."""
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
    # Numbers stay as they were sent. A parser would have changed them to 1.5 and 12345678901234567000.
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
    with Inspector(0, Store()) as target:  # answers 403 to a stranger, which is an answer too
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


def test_a_stopped_inspector_is_named(page: Page, inspector: Inspector, problems: Problems) -> None:
    inspector.close()
    expect(page.locator("#status")).to_contain_text("not connected")
    problems.clear()
