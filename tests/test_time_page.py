"""Every dot of the page about times leads to its report: clicked in a real browser, from disk and in JupyterLab."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pandas as pd
import pytest

from resilience import schema, workspace
from resilience.report import render
from resilience.store import Store

from . import jupyterlab
from .sizes import at_full_size

if TYPE_CHECKING:
    from playwright.sync_api import Page

N = 12
URIS = [f"data/incidents/Störung {i:02}.md" for i in range(N)]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> workspace.Workspace:
    """A workspace of reports, with its notebooks and the page made from them."""
    place = workspace.create(tmp_path_factory.mktemp("times") / "ws", title="Test", zone="UTC")
    start = pd.date_range("2021-01-05 10:00", periods=N, freq="20D", tz="UTC").as_unit("us")
    rows = pd.DataFrame(
        {
            "incident_id": [f"i{i:02}" for i in range(N)], "title": [f"Incident {i:02}" for i in range(N)],
            "kind": "real", "detected_by": "monitor", "text": "t", "simulated": False, "source": "markdown",
            "source_uri": URIS, "started_at": start, "detected_at": start + pd.Timedelta("5min"),
            "resolved_at": start + pd.to_timedelta([20 * 3 ** (i % 4) for i in range(N)], unit="min"),
        }
    )  # fmt: skip
    Store(place.store).upsert("incidents", schema.frame("incidents", rows))
    for uri in URIS:
        (place.root / uri).write_text(f"# {uri}\n", encoding="utf-8")
    (job,) = render.jobs(Store(place.store), place, "time-to-restore")
    done = render.render(job, Store(place.store), place)
    assert done.state == "made", done.error
    return place


def opened(tab: Page, dots: str) -> Iterator[str]:
    """The address that each of `dots` opens when it is clicked."""
    from playwright.sync_api import Error

    found = tab.locator(dots)
    assert found.count() == N
    for i in range(N):
        box = None
        for _ in range(20):  # JupyterLab draws again when its tab comes back
            with contextlib.suppress(Error):
                found.nth(i).scroll_into_view_if_needed()
                tab.wait_for_timeout(200)
                if box == (box := found.nth(i).bounding_box()) and box is not None:
                    break
        assert box is not None
        with tab.context.expect_page() as new:
            tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        yield new.value.url
        new.value.close()


def test_every_dot_of_the_page_opens_its_report(
    space: workspace.Workspace, page: Page, complaints: list[str]
) -> None:
    page.goto((space.reports / "time-to-restore" / "report.html").as_uri())
    page.wait_for_selector("body[data-drawn=yes]")
    assert list(opened(page, "svg .textpoint a")) == [(space.root / uri).as_uri() for uri in URIS]
    page.set_viewport_size({"width": 390, "height": 800})  # drawn again, and they still lead there
    page.wait_for_timeout(500)
    assert page.locator("svg .textpoint a[href]").count() == N
    assert complaints == []


@pytest.mark.acceptance
@at_full_size("a JupyterLab server and a browser")
def test_every_dot_opens_its_report_in_jupyterlab_too(space: workspace.Workspace, tmp_path: Path) -> None:
    """Run as a person would: the workspace's own notebook, its folder as working folder, the address that Lab gives it."""
    run = [sys.executable, "-m", "jupyter"]
    notebook = space.root / "notebooks" / "time_to_restore.ipynb"
    convert = [*run, "nbconvert", "--to", "notebook", "--inplace", "--execute", str(notebook)]
    subprocess.run(convert, check=True, capture_output=True)
    with jupyterlab.server(space.root, tmp_path) as address, jupyterlab.browser() as tab:
        jupyterlab.open_notebook(tab, address, "notebooks/time_to_restore.ipynb")
        dots = ".jp-Notebook .textpoint a"
        tab.locator(dots).nth(N - 1).wait_for(state="attached")
        tab.wait_for_url(
            f"{address}/tree/notebooks/time_to_restore.ipynb"
        )  # the folder's, until all is loaded
        ends = [unquote(url).removeprefix(f"{address}/tree/") for url in opened(tab, dots)]
        assert ends == URIS
        listed = unquote(str(tab.locator("td a").first.get_attribute("href")))
        assert "/files/data/incidents/Störung" in listed
