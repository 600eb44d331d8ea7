"""Which published figures are others now, and whether data, labels, the taxonomy or a definition moved them.

A report is made again with one thing changed at a time: first today's code on the data of then, then today's labels,
then today's data. A figure is told with every step at which it moved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..plain_text import count
from ..store import Store
from ..workspace import Workspace
from . import provenance
from .render import numbers

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


@dataclass(frozen=True)
class _Step:
    """A report with everything up to `by` as it is today; `about` is its provenance then."""

    by: str
    notebook: Path
    about: dict[str, Any]
    store: Store


def restated(workspace: Workspace, newest: Store, old: Store, *, at_once: int | None = None) -> Restated:
    """Compare every report under reports/ as it was with the store `old` and as it is with `newest`.

    Where the published page was made from the rows of `old`, its own result.json is what it was, and what today's code
    makes otherwise of the same rows is told as definition (or taxonomy). No page is made, only numbers, `at_once` at a
    time (by default one per core). Raises InputError where there is no report.
    """
    folders = sorted(path.parent for path in workspace.reports.glob(f"*/{provenance.FILE}"))
    if not folders:
        raise InputError(
            "There is no report with a provenance.",
            where=str(workspace.reports),
            remedy="Run `resilience render --all`.",
        )
    newest = newest.pinned()
    labels = {t: v for t, v in newest.versions().items() if t == "labels"}
    stores = (("", old), ("labels", Store(newest.root, {**old.versions(), **labels})), ("data", newest))
    plans: dict[str, list[_Step]] = {}
    known: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for folder in folders:
        try:
            plans[folder.name], published = _plan(folder, workspace, stores)
            known |= published
        except InputError as error:
            failed[folder.name] = str(error)
    made = _made([step for steps in plans.values() for step in steps], known, at_once or os.cpu_count() or 1)
    rows: list[dict[str, str]] = []
    figures = gone = 0
    for report, steps in plans.items():
        values = [known.get(step.about["inputs"], made.get(step.about["inputs"])) for step in steps]
        wrong = next((value for value in values if isinstance(value, str)), None)
        if wrong is not None:
            failed[report] = wrong
            continue
        found = [
            (step.by, value) for step, value in zip(steps, values, strict=True) if isinstance(value, dict)
        ]
        figures += len(found[-1][1])
        gone += steps[0].about["inputs"] not in known
        rows += _moves(report, found)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Restated(table, failed, _text(table, len(folders), figures, gone, failed))


def _plan(
    folder: Path, workspace: Workspace, stores: Sequence[tuple[str, Store]]
) -> tuple[list[_Step], dict[str, dict[str, Any]]]:
    """The steps of one report from then to now, and the figures that are published, by the inputs they are of."""
    made = provenance.read(folder)
    if made is None:
        raise InputError("Its provenance cannot be read.", where=folder.name, remedy="Render it again.")
    try:
        published = _figures(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise InputError(
            "Its result.json cannot be read.", where=folder.name, remedy="Render it again."
        ) from None
    notebook = workspace.notebook(Path(made["notebook"]["name"]).stem)
    steps: list[_Step] = []
    about: dict[str, Any] = {}
    versions: dict[str, int] | None = None
    for by, store in stores:
        if store.versions() != versions:  # reading and hashing every row is most of the work
            about = provenance.describe(made["report"], made["title"], notebook, made["parameters"], store)
            versions = store.versions()
        if not steps and about["tables"] == made["tables"]:
            steps.append(_Step("", notebook, made, store))
            by = _definition(made, about)
        steps.append(_Step(by, notebook, about, store))
    return steps, {made["inputs"]: published}


def _made(steps: Sequence[_Step], known: Mapping[str, Any], at_once: int) -> dict[str, dict[str, Any] | str]:
    """Figures by inputs of every step that is not `known`; where one cannot be made, why not."""
    wanted = {step.about["inputs"]: step for step in steps if step.about["inputs"] not in known}

    def one(step: _Step) -> dict[str, Any] | str:
        try:
            found, error = numbers(step.notebook, step.about, step.store)
        except InputError as wrong:
            error = str(wrong)
        return f"It cannot be made again: {error}" if error else _figures(found)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(wanted, pool.map(one, wanted.values()), strict=True))


def _definition(made: dict[str, Any], about: dict[str, Any]) -> str:
    """What of the code moved, as far as both provenances tell."""
    moved = [
        name
        for name, part in (("definition", "code"), ("taxonomy", "taxonomy"))
        if made.get(part) != about[part]
    ]
    return " or ".join(moved) or "definition"


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


def _text(table: pd.DataFrame, reports: int, figures: int, gone: int, failed: dict[str, str]) -> str:
    says = [f"{len(table)} of {figures} figures in {count(reports, 'report')} moved."]
    if len(table):
        parts = [f"{by}: {n}" for by, n in table["moved_by"].value_counts().sort_index().items()]
        says.append(f"Moved by {'; '.join(parts)}.")
    if gone:
        says.append(
            f"{count(gone, 'report was', 'reports were')} published anew since then: what today's code makes of the rows "
            "of then stands for what they said."
        )
    if failed:
        says.append(f"{len(failed)} could not be made again: {', '.join(failed)}.")
    return " ".join(says)
