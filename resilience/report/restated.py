"""Which published figures are others now, and whether data, labels, the taxonomy or a definition moved them.

A report is made again with one thing changed at a time: first today's code on the data of then, then today's labels,
then today's data. A figure is told with every step at which it moved.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..store import Store
from ..workspace import Workspace
from . import provenance
from .render import make

COLUMNS = ("report", "figure", "was", "now", "moved_by")
_SAID = ("text", "taxonomy_version")  # sentences repeat figures
_NAMES = ("group", "failure_class", "gameday_id", "experiment_key", "probe", "scope", "name", "detected_by")


@dataclass(frozen=True)
class Restated:
    """`table`: one row per figure that moved: report, figure (its place in result.json), was, now (JSON), moved_by.

    `failed`: report -> why it could not be made again. `text`: how many of how many, and by what.
    """

    table: pd.DataFrame
    failed: dict[str, str]
    text: str


def restated(workspace: Workspace, newest: Store, old: Store) -> Restated:
    """Compare every report under reports/ as it was with the store `old` and as it is with `newest`.

    Where the published page was made from the rows of `old`, its own result.json is what it was, and what today's code
    makes otherwise of the same rows is told as definition (or taxonomy). Raises InputError where there is no report.
    """
    folders = sorted(path.parent for path in workspace.reports.glob(f"*/{provenance.FILE}"))
    if not folders:
        raise InputError(
            "There is no report with a provenance.",
            where=str(workspace.reports),
            remedy="Run `resilience render --all`.",
        )
    rows: list[dict[str, str]] = []
    failed: dict[str, str] = {}
    figures = 0
    newest = newest.pinned()
    for folder in folders:
        try:
            steps = list(_steps(folder, workspace, newest, old))
        except InputError as error:
            failed[folder.name] = str(error)
            continue
        figures += len(steps[-1][1])
        rows += _moves(folder.name, steps)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Restated(table, failed, _text(table, len(folders), figures, failed))


def _steps(
    folder: Path, workspace: Workspace, newest: Store, old: Store
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was changed last, figures), from the published ones, where they are of the rows of `old`, to today's."""
    made = provenance.read(folder)
    if made is None:
        raise InputError("Its provenance cannot be read.", where=folder.name, remedy="Render it again.")
    notebook = workspace.notebook(Path(made["notebook"]["name"]).stem)
    mixed = Store(
        newest.root, {**old.versions(), **{t: v for t, v in newest.versions().items() if t == "labels"}}
    )
    known: dict[str, dict[str, Any]] = {}
    describe = (made["report"], made["title"], notebook, made["parameters"])
    for number, (step, store) in enumerate((("", old), ("labels", mixed), ("data", newest))):
        about = provenance.describe(*describe, store)
        if number == 0 and about["tables"] == made["tables"]:
            yield "", _figures(json.loads((folder / "result.json").read_text(encoding="utf-8")))
            if about["inputs"] == made["inputs"]:
                known[made["inputs"]] = _figures(
                    json.loads((folder / "result.json").read_text(encoding="utf-8"))
                )
            step = _definition(made, about)
        if about["inputs"] not in known:
            known[about["inputs"]] = _made(notebook, about, store)
        yield step, known[about["inputs"]]


def _definition(made: dict[str, Any], about: dict[str, Any]) -> str:
    """What of the code moved, as far as both provenances tell."""
    moved = [
        name
        for name, part in (("definition", "code"), ("taxonomy", "taxonomy"))
        if made.get(part) != about[part]
    ]
    return " or ".join(moved) or "definition"


def _made(notebook: Path, about: dict[str, Any], store: Store) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        _, error = make(notebook, about, store, Path(name))
        if error:
            raise InputError(
                f"It cannot be made again: {error}", where=about["report"], remedy="See `resilience verify`."
            )
        return _figures(json.loads((Path(name) / "result.json").read_text(encoding="utf-8")))


def _moves(report: str, steps: list[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, str]]:
    first, last = steps[0][1], steps[-1][1]
    for figure in sorted(first.keys() | last.keys()):
        values = [(step, found.get(figure)) for step, found in steps]
        by = [step for (_, one), (step, other) in pairwise(values) if one != other]
        if by and values[0][1] != values[-1][1]:
            was, now = (json.dumps(values[i][1]) for i in (0, -1))
            yield {"report": report, "figure": figure, "was": was, "now": now, "moved_by": ", ".join(by)}


def _figures(tree: Any, place: str = "") -> dict[str, Any]:
    """Leaves of a JSON tree by their place; rows of a list are named by what they are about, else by their number."""
    found: dict[str, Any] = {}
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in _SAID:
                found |= _figures(value, f"{place}.{key}" if place else str(key))
    elif isinstance(tree, list):
        names = [_row_name(row) for row in tree]
        unique = len(set(names)) == len(names) and all(names)
        for i, row in enumerate(tree):
            found |= _figures(row, f"{place}[{names[i] if unique else i}]")
    else:
        found[place] = tree
    return found


def _row_name(row: Any) -> str:
    if not isinstance(row, dict):
        return ""
    return "/".join(str(row[name]) for name in _NAMES if row.get(name) not in (None, ""))


def _text(table: pd.DataFrame, reports: int, figures: int, failed: dict[str, str]) -> str:
    says = [f"{len(table)} of {figures} figures in {reports} reports moved."]
    if len(table):
        parts = [f"{by}: {n}" for by, n in table["moved_by"].value_counts().sort_index().items()]
        says.append(f"Moved by {'; '.join(parts)}.")
    if failed:
        says.append(f"{len(failed)} could not be made again: {', '.join(failed)}.")
    return " ".join(says)
