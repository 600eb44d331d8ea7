"""A folder of reports with the classes that somebody gave them in a CSV: what a classifier is evaluated on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import InputError
from ..failure_classes import FAILURE_CLASSES, RENAMED
from . import reports, text_csv

_MAX_BYTES = 50_000_000
_NAMES = {
    "file": ("file", "incident_id", "report"),
    "cause": ("cause", "failure_class", "root_cause"),
    "other_causes": ("other_causes", "second_class"),
    "group": ("group",),
    "read_by_author": ("read_by_author",),
}
_NEEDED = ("file", "cause")
_GROUP = re.compile(
    r"^(?:company|organisation|organization|team):[ \t]*[\"']?([^\"'\n]{1,120}?)[\"']?[ \t]*$", re.M | re.I
)
_FRONT = 4000  # characters in which front matter ends


@dataclass(frozen=True)
class Corpus:
    """`incidents` (that table, labelled rows only) and beside each row: `cause`, `others` (further causes, a tuple),
    `group` (reports of one group never stand on both sides of a split) and `read` (True where the rules' author is
    known to have read it, None where nothing is known). `left_out`: sentences about what is not in it."""

    name: str
    incidents: pd.DataFrame
    cause: list[str]
    others: list[tuple[str, ...]]
    group: list[str]
    read: list[bool | None]
    left_out: list[str]


def read(folder: Path, labels: Path) -> Corpus:
    """Reports under `folder` with the classes of the CSV `labels`.

    Its columns: file (name of the report, or incident_id) and cause (or failure_class); where they are there also
    other_causes (or second_class; separated by spaces, commas or ;), group, and read_by_author (yes or no). Without a
    group the front matter's company or team is one, else each report is alone. Raises InputError for a file that is
    not such a CSV, an unknown class, or no label that fits a report.
    """
    where = labels.name
    given = _columns(labels, where)
    for name in ("cause", "other_causes"):
        for row, value in enumerate(given[name]):
            foreign = [part for part in _parts(value) if part not in FAILURE_CLASSES]
            if foreign:
                raise InputError(f"There is no class {foreign[0]!r}.", where=where, line=row + 2,
                                 remedy=f"Classes: {', '.join(FAILURE_CLASSES)}.")  # fmt: skip
    incidents = reports.read(folder).incidents
    names = [Path(uri).name for uri in incidents["source_uri"]]
    place = {
        **dict(zip(incidents["incident_id"], range(len(names)), strict=True)),
        **{n: i for i, n in enumerate(names)},
    }
    rows = [place.get(Path(file).name, place.get(file)) for file in given["file"]]
    found = [(row, i) for i, row in enumerate(rows) if row is not None and given["cause"].iloc[i]]
    if not found:
        raise InputError("No label names a report of this folder.", where=where,
                         remedy="The column file holds the names of the report files.")  # fmt: skip
    left_out = []
    if missing := len(rows) - len(found):
        left_out.append(f"{missing} label(s) without a report or a class")
    if unlabelled := len(incidents) - len({row for row, _ in found}):
        left_out.append(f"{unlabelled} report(s) without a label")
    picked = incidents.iloc[[row for row, _ in found]].reset_index(drop=True)
    labelled = given.iloc[[i for _, i in found]].reset_index(drop=True)
    said = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    groups = [
        group or _group(text) or incident_id
        for group, text, incident_id in zip(
            labelled["group"], picked["text"], picked["incident_id"], strict=True
        )
    ]
    return Corpus(
        folder.resolve().name,
        picked,
        [RENAMED.get(cause, cause) for cause in labelled["cause"]],
        [tuple(_parts(value)) for value in labelled["other_causes"]],
        groups,
        [said.get(value.lower()) for value in labelled["read_by_author"]],
        left_out,
    )  # fmt: skip


def _columns(path: Path, where: str) -> pd.DataFrame:
    remedy = "Columns: file, cause, and if you have them other_causes, group, read_by_author."
    if not path.is_file():
        raise InputError("There is no such file.", where=str(path), remedy=remedy)
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(
            "The file is over 50 MB.", where=where, remedy="Labels are one short line per report."
        )
    rows = text_csv.read(path, where, remedy)
    found = {}
    for name, spellings in _NAMES.items():
        here = [spelling for spelling in spellings if spelling in rows]
        if not here and name in _NEEDED:
            raise InputError(f"There is no column {name}.", where=where, line=1, remedy=remedy)
        found[name] = rows[here[0]].str.strip() if here else pd.Series("", index=rows.index)
    return pd.DataFrame(found)


def _parts(value: str) -> list[str]:
    return [RENAMED.get(part, part) for part in re.split(r"[\s,;]+", value) if part]


def _group(text: str) -> str:
    found = _GROUP.search(text[:_FRONT]) if text.startswith("---") else None
    return found[1].lower() if found else ""
