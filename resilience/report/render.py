"""Notebook + parameters -> reports/<id>/, swapped in whole; unchanged reports are left alone.

The notebook runs through papermill with the store as its working folder, so that no path of this machine gets
into a page. What is published is decided by content: data, parameters, notebook and code. Several are made at
a time, each in a kernel and a folder of its own; one that fails stops no other.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__, views
from ..errors import InputError
from ..files import write_whole
from ..store import Store
from ..workspace import Workspace
from . import companions, provenance
from .export import Page, to_html
from .panels import RESULT_MIME

CELL_SECONDS = 600
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True)
class Job:
    """One report to make: its folder name, its notebook and the notebook's parameters."""

    report_id: str
    title: str
    notebook: str
    parameters: Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Rendered:
    """What became of a job: `made`, `unchanged` or `failed`, why it failed, and `why` it had to be made."""

    report_id: str
    state: str
    path: Path
    error: str = ""
    why: tuple[str, ...] = ()


def jobs(store: Store, workspace: Workspace, wanted: str | None = None, *, names: bool = False) -> list[Job]:
    """Reports that can be made from `store`: every GameDay and the analyses. `wanted` picks one by id.

    GameDays show roles instead of people unless `names`, in their titles too. Raises InputError where the store holds
    nothing, or nothing of that id.
    """
    asked: dict[str, bool] = {"names": True} if names else {}
    found = [
        Job(day, title, "gameday", {"gameday_id": day, **asked})
        for day, title in views.gameday_titles(store, names=names).items()
    ]
    if store.version("incidents") is not None:
        found.append(Job("failure-classes", "What keeps failing?", "failure_classes", {}))
        found.append(
            Job("time-to-restore", "How long does it take, and are we getting better?", "time_to_restore", {})
        )
    if {"incidents", "gamedays"} & store.versions().keys():
        found.append(
            Job(
                "next-experiments",
                "What should we rehearse next?",
                "next_experiments",
                {"zone": workspace.zone},
            )
        )
    if traffic := views.traffic(store):
        about: dict[str, str | int] = {
            "metric": traffic[0],
            "zone": workspace.zone,
        }
        found.append(Job("capacity", "How much room is left?", "capacity", about))
    if not found:
        raise InputError("The store holds nothing to report on.", remedy="Run `resilience ingest` first.")
    if wanted is None:
        return found
    chosen = [job for job in found if job.report_id == wanted]
    if not chosen:
        raise InputError(
            f"There is no report {wanted!r}.",
            remedy=f"Reports that can be made: {', '.join(job.report_id for job in found)}.",
        )
    return chosen


def render_all(
    wanted: Sequence[Job],
    store: Store,
    workspace: Workspace,
    *,
    at_once: int = 1,
    force: bool = False,
    seconds: int = CELL_SECONDS,
) -> Iterator[Rendered]:
    """Make every report of `wanted`, `at_once` at a time, all from one state of `store`; each as soon as it is done.

    Whatever goes wrong with one (a notebook that fails, a full disk, data that contradict it) is its own result.
    """
    store = store.pinned()

    def one(job: Job) -> Rendered:
        try:
            return render(job, store, workspace, force=force, seconds=seconds)
        except Exception as error:
            return _gave_up(job, workspace, error)

    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(one, job) for job in wanted]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:  # whoever stops listening starts no more
            for later in waiting:
                later.cancel()


def render(
    job: Job, store: Store, workspace: Workspace, *, force: bool = False, seconds: int = CELL_SECONDS
) -> Rendered:
    """Make one report, unless its inputs are those it was made from. Never raises for a notebook that fails.

    A cell may take `seconds`. Raises InputError or OSError for what is wrong around the notebook; `render_all` does not.
    """
    store = store.pinned()
    final = workspace.reports / job.report_id
    notebook = workspace.notebook(job.notebook)
    about = provenance.describe(job.report_id, job.title, notebook, job.parameters, store)
    stale = _stale(final, about, lambda: views.report_tables(notebook.stem, job.parameters, store))
    if not force and not stale:
        return Rendered(job.report_id, "unchanged", final / "report.html")
    with staging(final) as folder:
        html, error = make(notebook, about, store, folder, seconds=seconds)
        if error:
            _write_failure(final, html, error)
            return Rendered(job.report_id, "failed", final / "failure.html", error, stale)
        _swap(folder, final)
    return Rendered(job.report_id, "made", final / "report.html", "", stale)


def _gave_up(job: Job, workspace: Workspace, error: Exception) -> Rendered:
    """A failure page of its message alone, since what stopped the report may be the disk; the last report stays."""
    import nbformat

    final = workspace.reports / job.report_id
    message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):  # without the path, which is this machine's
        message = f"{type(error).__name__}: {error.strerror or 'the page could not be written'}"
    page = Page(job.title, f"{job.notebook}.ipynb", __version__, job.parameters, {}, message)
    try:
        _write_failure(final, to_html(nbformat.v4.new_notebook(), page), message)
    except OSError:
        message += " (nor could its failure page be written)"
    return Rendered(job.report_id, "failed", final / "failure.html", message)


def make(
    notebook: Path, about: dict[str, Any], store: Store, folder: Path, *, seconds: int = CELL_SECONDS
) -> tuple[str, str]:
    """Write the files of a report into `folder`; the page, and the error that stopped the notebook, if any."""
    executed, error = _execute(notebook, _given(about), store, folder, seconds)
    page = Page(about["title"], notebook.name, __version__, about["parameters"], about["tables"], error)
    html = to_html(executed, page)
    if not error:
        write_whole(folder / "report.html", html)
        write_whole(folder / "report.ipynb", _dump(executed))
        result = _result(executed)
        write_whole(folder / "result.json", _dump(result))
        for name, content in companions.beside(result).items():
            write_whole(folder / name, content)
        outputs = {path.name: provenance.sha256(path.read_bytes()) for path in sorted(folder.iterdir())}
        write_whole(folder / provenance.FILE, _dump({**about, "outputs": outputs}))
    return html, error


def numbers(
    notebook: Path, about: dict[str, Any], store: Store, *, seconds: int = CELL_SECONDS
) -> tuple[dict[str, Any], str]:
    """What a report would hold in its result.json, without making its page; and the error, if any."""
    with tempfile.TemporaryDirectory() as folder:
        executed, error = _execute(notebook, _given(about), store, Path(folder), seconds)
    return _result(executed), error


def _given(about: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the notebook: those of the report, and the versions of the tables that it reads."""
    return {"versions": json.dumps(about["versions"], sort_keys=True), **about["parameters"]}


def _stale(
    final: Path, about: Mapping[str, Any], tables: Callable[[], Mapping[str, pd.DataFrame]]
) -> tuple[str, ...]:
    """Why the report must be made; nothing where it stands as it was made, from these inputs."""
    made = provenance.read(final)
    if made is None:
        return ("never made",)
    if (final / "failure.html").exists():
        return ("the last render failed",)
    altered = tuple(f"{name} was altered" for name in provenance.altered(final, made))
    if altered or made["inputs"] == about["inputs"]:
        return altered
    return tuple(provenance.changed(made, about, tables()))


def _execute(
    notebook: Path, parameters: Mapping[str, Any], store: Store, folder: Path, seconds: int
) -> tuple[Any, str]:
    """The executed notebook without run times, and the error that stopped it, in words."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    from . import engine

    known = papermill.inspect_notebook(str(notebook))
    given = {"store": ".", **parameters}
    missing = sorted(set(given) - set(known))
    if missing:
        raise InputError(
            f"The notebook has no parameter {', '.join(missing)}.",
            where=str(notebook.name),
            remedy=f"Its parameters cell names: {', '.join(known) or 'none'}.",
        )
    output, error = folder / "executed.ipynb", ""
    try:
        papermill.execute_notebook(
            str(notebook), str(output), parameters=given, engine_name=engine.register(), kernel_name="python3",
            progress_bar=False, execution_timeout=seconds, resources={"metadata": {"path": store.root}},
        )  # fmt: skip
    except papermill.PapermillExecutionError as failed:
        error = f"{failed.ename}: {failed.evalue}"
    except DeadKernelError:
        error = "The notebook's kernel died, for example because memory ran out."
    except CellTimeoutError:
        error = f"A cell ran for more than {seconds} s and was stopped."
    executed = nbformat.read(output if output.exists() else notebook, as_version=4)
    output.unlink(missing_ok=True)
    return _without_run_times(executed), error


def _without_run_times(notebook: Any) -> Any:
    """`notebook` stripped of what differs between two equal runs."""
    notebook.metadata.pop("papermill", None)
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "papermill-error-cell-tag" in tags:
            continue
        if "injected-parameters" in tags:
            cell.id = "injected-parameters"
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = []  # its paths are this machine's; name and message stay
        cells.append(cell)
    notebook.cells = cells
    notebook.metadata.get("language_info", {}).pop("version", None)
    return notebook


def _result(notebook: Any) -> dict[str, Any]:
    """Numbers that the notebook published, merged; of two with one name the first stands, as on the page."""
    found: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found = output.get("data", {}).get(RESULT_MIME, {}) | found
    return found


class staging:
    """A folder beside `final` in which a report is made; gone afterwards unless it was swapped in."""

    def __init__(self, final: Path) -> None:
        self.folder = final.parent / f".{final.name}.{os.getpid()}.new"

    def __enter__(self) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _swap(folder: Path, final: Path) -> None:
    """Put `folder` where `final` is, in one step where the system has one: a reader sees the old report or the new.

    Elsewhere it takes two renames, and a kill between them is mended by `recover`.
    """
    if final.exists() and _exchange(folder, final):
        shutil.rmtree(folder, ignore_errors=True)  # holds the old one now
        return
    old = final.parent / f".{final.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    folder.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically (Linux's renameat2); False where system or file system cannot."""
    swap = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if swap is None:
        return False
    done: int = swap(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


def recover(reports: Path) -> None:
    """Undo what a killed render left behind: put back a report that was moved aside, drop unfinished ones."""
    for left in sorted(reports.glob(".*.old")):
        final = reports / left.name[1 : -len(".old")]
        if final.exists():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.rename(final)
    for left in _abandoned(reports):
        shutil.rmtree(left, ignore_errors=True)


def _abandoned(reports: Path) -> Iterator[Path]:
    for left in sorted(reports.glob(".*.new")):
        pid = left.name.split(".")[-2]
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            yield left


def _write_failure(final: Path, html: str, error: str) -> None:
    """Leave the error beside the last good report, if there is one."""
    final.mkdir(parents=True, exist_ok=True)
    write_whole(final / "failure.html", html)
    write_whole(final / "failure.json", _dump({"error": error}))


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
