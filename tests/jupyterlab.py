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

from .pages import ARGUMENTS, chromium

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
    program = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    run = subprocess.Popen(
        [*program, *(f"--{name}={value}" for name, value in settings.items())],
        cwd=own,
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
    alone = [one.replace("~NOTFOUND", "~NOTFOUND, EXCLUDE 127.0.0.1") for one in ARGUMENTS]
    with chromium(alone) as program:
        tab = program.new_page(viewport={"width": 1400, "height": 1000})
        tab.set_default_timeout(120_000)
        yield tab


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
    while not tab.locator(IDLE).count():
        if tab.locator(".jp-Dialog").count():  # a slow machine asks which kernel: the one that it proposes
            tab.locator(".jp-Dialog .jp-mod-accept").click()
        tab.wait_for_timeout(250)


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

    @property
    def ran(self) -> bool:
        """Whether every code cell has an execution count."""
        return bool(self.prompts) and all(one.strip("[]: ").isdigit() for one in self.prompts)


def run_all(tab: Page, plots: int, seconds: int = 240) -> Ran:
    """Run every cell by the menu; returns when each has run and `plots` are drawn, on an error, or after `seconds`."""
    for _ in range(10):  # a menu that opens while the kernel reports in may close again
        tab.locator(".lm-MenuBar-item", has_text="Run").click()
        tab.locator('[data-command="runmenu:run-all"]').click()
        tab.wait_for_timeout(1000)
        if any(one != NOT_RUN for one in _shown(tab).prompts):
            break
    for _ in range(seconds * 4):
        found = _shown(tab)
        if found.errors or (found.ran and found.drawn == plots):
            break
        tab.wait_for_timeout(250)
    tab.wait_for_selector(IDLE, state="attached")
    return _shown(tab)


def _shown(tab: Page) -> Ran:
    return Ran(**tab.evaluate(_SHOWN))


NOT_RUN = "[ ]:"
IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
_SHOWN = """() => {
  const all = (query) => [...document.querySelectorAll(".jp-NotebookPanel " + query)];
  const plotted = all('.jp-OutputArea-output:is(.jp-RenderedPlotly, [data-mime-type="application/vnd.plotly.v1+json"])');
  return {
    prompts: all(".jp-CodeCell .jp-InputArea-prompt").map((p) => p.textContent),
    plots: plotted.length,
    drawn: plotted.filter((p) => p.querySelector(".main-svg")?.getBoundingClientRect().height > 50).length,
    errors: all('[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]')
      .map((e) => e.textContent.slice(0, 500)),
  };
}"""
