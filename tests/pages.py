"""A real browser without a network, for tests of rendered pages: ask for the fixture `page`.

It is Debian's chromium, driven by Playwright. Where either is missing these tests skip and say so, except that
RESILIENCE_REQUIRE_BROWSER=1 (set by .ci/run) turns the skip into a failure.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


def _without(reason: str) -> NoReturn:
    if os.environ.get("RESILIENCE_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and RESILIENCE_REQUIRE_BROWSER=1 asks for it", pytrace=False)
    pytest.skip(f"{reason}: `make browser` installs it")


@contextlib.contextmanager
def chromium(arguments: list[str]) -> Iterator[Browser]:
    """Debian's chromium, started with `arguments`; skips where it or Playwright is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("Playwright is not installed")
    program = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(program).is_file():
        _without("there is no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What went wrong in `page` so far: console errors, uncaught exceptions, failed or refused requests."""
    return []


@pytest.fixture
def page(complaints: list[str]) -> Iterator[Page]:
    """An empty tab of a fresh, offline browser; open a file with `page.goto(path.as_uri())`.

    One browser per test: while Playwright's loop lives, nothing else in the process can run one (nbclient would).
    So render first and ask for `page` after, or take what was rendered from a fixture named before it.
    """
    with chromium(ARGUMENTS) as browser:
        context = browser.new_context(offline=True)
        tab = context.new_page()
        tab.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        tab.on(
            "requestfailed",
            lambda request: complaints.append(f"request: {request.url[:200]} {request.failure}"),
        )
        yield tab
