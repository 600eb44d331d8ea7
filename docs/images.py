"""The README's pictures, from the pages that `make demo` made: `.venv/bin/python docs/images.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "report": ("vaccine-our-system-2020-12/report.html", 1180),
    "gallery": ("index.html", 860),
    "plan": ("next-experiments/report.html", 1010),
}


def main() -> None:
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (path, height) in PAGES.items():
            page = browser.new_context(offline=True, viewport={"width": 980, "height": height}).new_page()
            page.goto((ROOT / "reports" / path).as_uri())
            if path.endswith("report.html"):
                page.wait_for_selector("body[data-drawn]")
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
