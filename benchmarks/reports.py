"""Twenty GameDay reports, HTML included, against the stock `papermill` command and `nbconvert` on the same notebook."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import psutil

from resilience import workspace
from resilience.report import companions, render
from resilience.report.export import Page, to_html
from resilience.store import Store
from tests import worlds

from .pairs import seconds

DAYS = 20
STOCK = (
    DAYS if os.environ.get("RESILIENCE_ACCEPTANCE", "0") != "0" else 3
)  # of the same, since each takes so long


def twenty(space: workspace.Workspace) -> None:
    """A store of DAYS GameDays that differ in name and level; each experiment is held on four of them."""
    tables: dict[str, list[pd.DataFrame]] = {}
    for i in range(DAYS):
        values = np.full(180, 0.5)
        values[60:80] = 2 + i
        for name, rows in worlds.gameday(worlds.series(values, scope=f"service:s{i}")).items():
            changed = {"gameday_id": f"day-{i:02}"} if "gameday_id" in rows else {}
            changed |= {"experiment_key": f"experiment-{i % (DAYS // 4)}"} if "experiment_key" in rows else {}
            changed |= {"scope": f"service:s{i}"} if name == "experiment_probes" else {}
            tables.setdefault(name, []).append(rows.assign(**changed).astype(rows.dtypes))
    for name, parts in tables.items():
        Store(space.store).upsert(name, pd.concat(parts, ignore_index=True))


@contextlib.contextmanager
def watched() -> Iterator[list[int]]:
    """Highest memory (bytes, shared pages counted once) of this process and its children so far, in a list of one."""
    peak, over = [0], threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.wait(0.1):
            total = 0
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def stock(space: workspace.Workspace, day: str, folder: Path) -> None:
    """What an analyst types without us. (Its page lacks the plots: nbconvert drops them.)"""
    out, tool = folder / f"{day}.ipynb", [sys.executable, "-m"]
    given = ["-p", "gameday_id", day, "-p", "store", str(space.store)]
    run = [*tool, "papermill", "--no-progress-bar", *given, str(space.notebook("gameday")), str(out)]
    subprocess.run(run, check=True, capture_output=True)
    subprocess.run([*tool, "nbconvert", "--to", "html", str(out)], check=True, capture_output=True)


def empty(folder: Path) -> None:
    """An empty notebook through the papermill command: what a start costs on this machine."""
    path = folder / "empty.ipynb"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("")])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    run = [sys.executable, "-m", "papermill", "--no-progress-bar", str(path), str(folder / "done.ipynb")]
    subprocess.run(run, check=True, capture_output=True)


def in_one_process(space: workspace.Workspace, day: str) -> None:
    """The same cells, page, table and slide in this process, imports done: the least that a report can cost."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    cells = nbformat.read(space.notebook("gameday"), as_version=4).cells
    for cell in cells:
        if cell.cell_type != "code":
            continue
        source = cell.source
        if "parameters" in cell.metadata.get("tags", []):
            source += f'\ngameday_id, store = "{day}", "{space.store}"'
        with capture_output(), contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(source).raise_error()
    executed = nbformat.read(space.reports / day / "report.ipynb", as_version=4)
    to_html(executed, Page(day, "gameday.ipynb", ""))
    companions.beside(json.loads((space.reports / day / "result.json").read_text(encoding="utf-8")))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = workspace.Workspace(folder, "Benchmark")
        twenty(space)
        store = Store(space.store)
        jobs = [job for job in render.jobs(store, space) if job.notebook == "gameday"]

        def all_of_them(at_once: int) -> None:
            made = list(render.render_all(jobs, store, space, at_once=at_once, force=True))
            assert {one.state for one in made} == {"made"}, made

        first = seconds(lambda: list(render.render_all(jobs[:1], store, space, force=True)))
        with watched() as peak:
            ours = seconds(lambda: all_of_them(4)) / DAYS
        alone = seconds(lambda: all_of_them(1)) / DAYS
        days = [job.report_id for job in jobs]
        in_one_process(space, days[0])
        bare = statistics.median(seconds(lambda d=day: in_one_process(space, d)) for day in days)
        theirs = statistics.median(seconds(lambda d=day: stock(space, d, folder)) for day in days[:STOCK])
        start = statistics.median(seconds(lambda: empty(folder)) for _ in range(3))
    allowed = 0.7 * start / 4
    print(
        f"{DAYS} GameDays, 4 at a time {ours:.2f} s each, one at a time {alone:.2f} s; the first, cold, {first:.1f} s"
    )
    print(f"stock papermill and nbconvert, {STOCK} of them: {theirs:.2f} s each   {theirs / ours:.1f}x")
    print(
        f"same cells and files, one warm process: {bare:.2f} s; overhead {alone - bare:.2f} s, allowed {allowed:.2f} s"
    )
    print(f"(0.7 s where stock papermill's empty notebook takes 4 s; here it takes {start:.1f} s)")
    print(f"peak memory, 4 at a time: {peak[0] / 1e6:,.0f} MB", flush=True)
