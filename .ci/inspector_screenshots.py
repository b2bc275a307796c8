"""Pictures of the page of `readme-metrics inspect`, wide and narrow, light and dark: `make screenshots`.

    python .ci/inspector_screenshots.py DIRECTORY

Shows the logs of a demo. Needs Chromium (`CHROMIUM`, or on the PATH), playwright and pillow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

MAX_BYTES = 150 * 1024
SIZES = {"wide": (1280, 800), "narrow": (390, 844)}


def main(directory: Path) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        logs = str(Path(scratch) / "logs.jsonl")
        command = [sys.executable, "-m", "readme_metrics"]
        subprocess.run([*command, "demo", "--jsonl", logs], check=True, stdout=subprocess.DEVNULL)
        inspect = [
            *command,
            "inspect",
            "--port",
            "0",
            "--jsonl",
            logs,
            "--config",
            "readme_metrics.demo.sample_app:app",
        ]
        with subprocess.Popen(inspect, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                for name, size in SIZES.items():
                    take(browser, address, directory, scheme, name, size)
            browser.close()
            process.terminate()


def take(browser: Browser, address: str, directory: Path, scheme: str, name: str, size: tuple[int, int]) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.on("console", lambda message: print(message.text, file=sys.stderr))
    page.on("pageerror", lambda error: print(error, file=sys.stderr))

    def shot(what: str) -> None:
        path = directory / f"inspector-{what}-{name}-{scheme}.png"
        # A palette is enough for text on a plain ground; most colours are the edges of letters.
        Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(200).save(path, optimize=True)
        assert path.stat().st_size < MAX_BYTES, path

    page.goto(address)
    page.wait_for_selector("#logs tr")
    expect(page.locator("#status")).to_contain_text("live")
    shot("list")
    page.fill("#filter", "method:POST")
    expect(page.locator("#count")).to_contain_text(" of ")
    page.click("#logs tr:nth-child(2)")
    page.wait_for_selector("#detail .sides")
    shot("detail")
    page.keyboard.press("Escape")
    page.click("#tab-numbers")
    page.wait_for_selector("#view-numbers table")
    shot("numbers")
    page.click("#tab-trial")
    page.wait_for_selector("#trial-result table")
    shot("trial")
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
