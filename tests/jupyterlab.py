"""JupyterLab as a person meets it: a server of its own and a real browser that may reach nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resilience.report import kernels

from .pages import ARGUMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

SETTINGS = '{"windowingMode": "none"}'  # every cell is in the page, not only those in view


@contextlib.contextmanager
def server(root: Path, own: Path) -> Iterator[str]:
    """Address of a JupyterLab on the folder `root`, with settings in `own` and the warm kernel to choose."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (own / "share" / "kernels").mkdir(parents=True)
    shutil.copytree(kernels.SPEC, own / "share" / "kernels" / "resilience-warm")
    notebooks = own / "settings" / "@jupyterlab" / "notebook-extension"
    notebooks.mkdir(parents=True)
    (notebooks / "tracker.jupyterlab-settings").write_text(SETTINGS)
    settings = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.root_dir": root, "IdentityProvider.token": "",
        "LabApp.extension_manager": "readonly", "LabApp.news_url": "None",
    }  # fmt: skip
    variables = {
        "JUPYTER_PATH": own / "share", "JUPYTERLAB_SETTINGS_DIR": own / "settings", "JUPYTERLAB_WORKSPACES_DIR": own,
        "JUPYTER_CONFIG_DIR": own, "JUPYTER_RUNTIME_DIR": own / "runtime",
    }  # fmt: skip
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            *(f"--{k}={v}" for k, v in settings.items()),
        ],
        cwd=root,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        run.terminate()
        run.wait(60)


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """A tab that reaches 127.0.0.1 alone."""
    from playwright.sync_api import sync_playwright

    only = [
        one.replace("~NOTFOUND", "~NOTFOUND, EXCLUDE 127.0.0.1") if "MAP *" in one else one
        for one in ARGUMENTS
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=only
        )
        tab = chromium.new_page(viewport={"width": 1400, "height": 1000})
        tab.set_default_timeout(120_000)
        yield tab
        chromium.close()


def open_notebook(tab: Page, address: str, name: str) -> None:
    """Open a notebook alone in an empty workspace; returns when its kernel is idle."""
    from playwright.sync_api import Error

    for _ in range(120):
        try:
            tab.goto(f"{address}/tree/{name}?reset")
            break
        except Error:  # the server is still starting
            tab.wait_for_timeout(500)
    tab.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
    tab.wait_for_selector(IDLE, state="attached")


def choose(tab: Page, kernel: str) -> None:
    """Change the kernel of the notebook shown to the one listed as `kernel`."""
    tab.locator(".jp-Toolbar-kernelName").click()
    tab.locator(".jp-Dialog select").select_option(label=kernel)
    tab.locator(".jp-Dialog .jp-mod-accept").click()
    tab.locator(".jp-Toolbar-kernelName", has_text=kernel).wait_for()
    tab.wait_for_selector(IDLE, state="attached")


@dataclass(frozen=True)
class Ran:
    """What a notebook looks like after it ran: a prompt per code cell, plots and how many are drawn, errors."""

    prompts: list[str]
    plots: int
    drawn: int
    errors: list[str]


def run_all(tab: Page, seconds: int = 120) -> Ran:
    """Run every cell by the menu; returns when no cell waits any more, or after `seconds`."""
    tab.locator(".lm-MenuBar-item", has_text="Run").click()
    tab.locator('[data-command="runmenu:run-all"]').click()
    for _ in range(seconds * 4):
        tab.wait_for_timeout(250)
        found = Ran(**tab.evaluate(_SHOWN))
        waiting = [one for one in found.prompts if not one.strip("[]: ").isdigit()]
        if (not waiting and found.drawn == found.plots) or found.errors:
            break
    tab.wait_for_selector(IDLE, state="attached")
    return Ran(**tab.evaluate(_SHOWN))


IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
_SHOWN = """() => {
  const all = (query) => [...document.querySelectorAll(".jp-NotebookPanel " + query)];
  const plotted = all('.jp-OutputArea-output[data-mime-type="application/vnd.plotly.v1+json"], .jp-RenderedPlotly');
  return {
    prompts: all(".jp-CodeCell .jp-InputArea-prompt").map((p) => p.textContent),
    plots: plotted.length,
    drawn: plotted.filter((p) => (p.matches(".js-plotly-plot") ? p : p.querySelector(".js-plotly-plot"))
      ?.querySelector(".main-svg")?.getBoundingClientRect().height > 50).length,
    errors: all('[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]')
      .map((e) => e.textContent.slice(0, 500)),
  };
}"""
