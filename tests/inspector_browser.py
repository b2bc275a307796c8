"""The inspector's page in a real browser: Debian's Chromium, driven by Playwright.

Playwright is imported only by the tests that need it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from readme_metrics.inspector import health
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector
from readme_metrics.redaction.redactor import Lists

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page


CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: make debian-packages")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        # Root cannot have the sandbox.
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
    """Errors and warnings of the browser's console, and dialogs that have opened."""


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def page(browser: Browser, inspector: Inspector, problems: Problems) -> Iterator[Page]:
    """The page at the printed address. At the end, nothing may have gone wrong in the browser."""
    from playwright.sync_api import expect

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
