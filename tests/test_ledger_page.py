"""reports/ledger.html as people use it: a small page without script whose cells open to their evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from resilience.analysis import ledger
from resilience.report import ledger_page

from .ledger_worlds import CLASSES, book, facts, history, run, touches
from .pages import page  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVIL = "<script>alert(1)</script>"


def _book(services: int = 40) -> ledger.Ledger:
    names = [f"service-with-a-long-name-{i:03}" for i in range(services)]
    rows = [
        (f"I{i}", CLASSES[i % 9], names[i * i % services], f"2020-0{1 + i % 9}-05")
        for i in range(4 * services)
    ]
    rows += [(f"X{i}", "config", EVIL, f"2020-0{1 + i}-05") for i in range(6)]
    days = history(
        run("config", EVIL, "2021-02-01", "held", title=EVIL),
        run("datastore", names[1], "2021-02-01", "deviated"),
    )
    return book(touches(rows), days, facts(*names, EVIL))


def _written(folder: Path, found: ledger.Ledger) -> Path:
    path = folder / "reports" / "ledger.html"
    path.parent.mkdir()
    reports = pd.DataFrame({"incident_id": ["X5"], "source_uri": ["data/incidents/x5.md"]})
    text = ledger_page.page(found, None, EVIL, simulated=False, incidents=reports)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_page_has_no_script_and_escapes_names() -> None:
    text = ledger_page.page(_book(), None, EVIL, simulated=False)
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert all(sign in text for sign in ("lg-costly", "lg-nothold", "lg-held"))


def test_at_full_size_the_page_stays_below_a_megabyte() -> None:
    names = [f"service-with-a-long-name-{i:03}" for i in range(150)]
    rows = touches([(f"I{i}", CLASSES[i % 11], names[i % 150], "2020-05-05") for i in range(1500)])
    text = ledger_page.page(book(rows, known=facts(*names)), None, "Shop", simulated=False)
    assert len(text.encode()) < 1_000_000
    assert text.count("<section") == 600
    assert "The evidence of 900 more cells is in" in text


def test_a_cell_opens_to_its_evidence_and_closes_by_keyboard_alone(tmp_path: Path, page: Page) -> None:  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = _written(tmp_path, _book())
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.scrollHeight") < 3000
        assert page.locator("section.lg-cell:visible").count() == 0
        first = page.locator("table.lg a.lg-mark").first
        first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("section.lg-cell:visible")
        opened = page.locator("section.lg-cell:visible")
        assert opened.count() == 1
        box = opened.bounding_box()
        assert box
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height, "it lies over the page, beside or below the matrix"
        wrong = axe.run(page).response["violations"]
        assert not wrong, [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in wrong]
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("section.lg-cell:visible", state="detached")
        assert page.evaluate("document.activeElement.id") == first.get_attribute("id"), "back where one was"
    page.goto(f"{path.as_uri()}#cell-datastore--service-with-a-long-name-001")
    assert "datastore at service-with-a-long-name-001" in page.locator("section.lg-cell:visible").inner_text()


def test_filters_rest_and_print_need_no_script(tmp_path: Path, page: Page) -> None:  # noqa: F811
    path = _written(tmp_path, _book())
    page.goto(path.as_uri())
    rows = page.locator("table.lg tbody tr:visible")
    assert rows.count() == 30
    page.get_by_label("All 41 services").check()
    assert rows.count() == 41
    page.get_by_label("rehearsed, did not hold (1)").check(force=True)
    assert rows.count() == 1
    assert "service-with-a-long-name-001" in rows.inner_text()
    page.get_by_label("every state").check(force=True)
    page.emulate_media(media="print")
    printed = page.locator("section.lg-cell:visible")
    assert 2 <= printed.count() < page.locator("section.lg-cell").count(), "what was rehearsed or costs most"
    assert page.locator("section.lg-cell a[href='../data/incidents/x5.md']").count() == 1
