"""Incident reports in Markdown and HTML, as people wrote them, to `incidents` and its parts, and `problems`.

A report is read, not interpreted: a time without a date or zone, a duration that is a range, two values that
disagree each become a row of `problems` with file, line and remedy, and the column stays null.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from .. import schema
from ..errors import InputError
from . import foreign, html_text, markdown_text, report_incident, report_pairs, report_split
from .problems import problem

MAX_BYTES = 20_000_000
MARKDOWN = (".md", ".markdown", ".txt")
HTML = (".html", ".htm")
ELSEWHERE = (".json", ".csv", ".yml", ".yaml")
"""Formats of other readers: passed over in a folder without a word."""

PLANNED = frozenset(
    {
        "hero-briefing.md",
        "villain-sheet.md",
        "experiment.json",
        "fis-template.json",
        "chaos-mesh.yml",
        "calendar.ics",
    }
)
"""Files that `resilience plan --export` writes beside gameday.yml: what is to happen, not what has. Passed over by name,
so that the whole folder may be copied to where GameDays are read."""

_NO_REPORT = {
    *(
        "readme",
        "changelog",
        "license",
        "licence",
        "contributing",
        "code_of_conduct",
        "notice",
        "authors",
        "index",
    ),
    *("_index", "toc", "makefile", "dockerfile", "requirements", "robots"),
}
# 'PM2022 - v1.2 upgrade failed' has no suffix, although there is a dot in it
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")
PARTS = ("timeline", "actions", "incident_factors", "incident_messages", "incident_quality")
"""Tables whose rows belong to one incident of `incidents`."""
_TABLES = ("incidents", *PARTS, "problems")


@dataclass(frozen=True)
class Reports:
    """Frames of the schema's tables of the same names."""

    incidents: pd.DataFrame
    timeline: pd.DataFrame
    actions: pd.DataFrame
    incident_factors: pd.DataFrame
    incident_messages: pd.DataFrame
    incident_quality: pd.DataFrame
    problems: pd.DataFrame


def read(path: str | Path, *, base: str | Path | None = None) -> Reports:
    """Reports of one file or of a folder and its subfolders, in the order of their names.

    Read are .md, .markdown, .txt, .html, .htm and files without a suffix. `source_uri` is the path from `base` where the
    file lies under it, else from the folder above the one given. Every file yields an incident or a row of `problems`;
    hidden files and formats of other readers are passed over. A file whose row has no `field` was refused whole.
    Raises InputError: no such path, or no file in it that could be a report.
    """
    root = Path(path).resolve()
    try:
        files = _files(root)
    except OSError as error:
        raise InputError(
            f"This cannot be read: {error.strerror}.", where=_clean(str(path)), remedy="Check the path."
        ) from None
    start = _start(root, base)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
    seen: dict[str, str] = {}
    for file in files:
        _add(file, _clean(file.relative_to(start).as_posix()), rows, seen)
    if not files:
        raise InputError(
            "There is no file in this folder that could be a report.",
            where=_clean(str(path)),
            remedy="Name the folder that holds the reports, as Markdown (.md) or HTML files.",
        )
    rows["problems"] += report_pairs.problems(rows["incidents"])
    unique = {row["problem_id"]: row for row in rows["problems"]}
    rows["problems"] = list(unique.values())
    return Reports(**{name: schema.frame(name, rows[name]) for name in _TABLES})


def overview(quality: pd.DataFrame) -> pd.DataFrame:
    """One row per incident: its file, what was found, 'timeline 7/9' with counts, what was not, whence dates are."""

    def shown(row: Any) -> str:
        counts = "" if pd.isna(row.n) else f" {row.n}/{row.of}" if pd.notna(row.of) else f" {row.n}"
        return f"{row.component}{counts if row.present else ''}"

    rows = []
    several = quality.groupby("source_uri")["incident_id"].nunique()
    for (uri, incident), components in quality.groupby(["source_uri", "incident_id"], sort=True):
        parts: dict[bool, list[str]] = {True: [], False: []}
        for row in components.itertuples():
            parts[bool(row.present)].append(shown(row))
        dates = components.loc[components["component"] == "timeline", "origin"].dropna()
        name = uri if several[uri] == 1 else f"{uri} ({incident})"
        line = {"file": name, "found": ", ".join(parts[True]), "not_found": ", ".join(parts[False])}
        rows.append(line | {"dates_from": ", ".join(dates)})
    return pd.DataFrame(rows, columns=["file", "found", "not_found", "dates_from"])


def distinct_id(incident_id: str, source_uri: str, digits: int = 6) -> str:
    """The id of a report whose own id another report already has."""
    return f"{incident_id}~{hashlib.sha256(source_uri.encode('utf-8', 'replace')).hexdigest()[:digits]}"


def _files(root: Path) -> list[Path]:
    if root.is_file():
        if root.suffix.lower() in ELSEWHERE:
            raise InputError(
                "This is no incident report.",
                where=_clean(root.name),
                remedy="Reports are Markdown (.md) or HTML files.",
            )
        return [root]
    if not root.is_dir():
        raise InputError(
            "There is no such file or folder.", where=_clean(str(root)), remedy="Check the path."
        )
    found = (file for file in sorted(root.rglob("*")) if file.is_file())
    shown = (f for f in found if not any(part.startswith(".") for part in f.relative_to(root).parts))
    return [file for file in shown if file.suffix.lower() not in ELSEWHERE and file.name not in PLANNED]


def _start(root: Path, base: str | Path | None) -> Path:
    """Folder from which names of files are told."""
    if base is not None and root.is_relative_to(Path(base).resolve()):
        return Path(base).resolve()
    return root.parent if root.is_dir() else root.parent.parent


def _clean(text: str) -> str:
    """`text` without halves of surrogate pairs, which no table can hold: from file names and YAML escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _add(file: Path, uri: str, rows: dict[str, list[dict[str, Any]]], seen: dict[str, str]) -> None:
    """Add the rows of one file; `seen` holds the file of every id so far."""
    stem = _SUFFIX.sub("", file.name)
    reason = _skipped(file, stem)
    if reason:
        rows["problems"].append(problem(uri, "skipped", *reason))
        return
    try:
        text = _text(file, uri)
        parse = html_text.parse if file.suffix.lower() in HTML else markdown_text.parse
        document = parse(text, uri)
    except InputError as error:
        rows["problems"].append(problem(uri, "unreadable", _clean(error.what), error.remedy, line=error.line))
        return
    several = report_split.parts(document)
    if several:
        rows["problems"].append(_several(several, uri))
        for part in several:
            name = _clean(f"{part.title} {stem}")
            read = report_incident.read(part.document, part.text, uri, name, whole=document)
            begins = part.document.sections[
                1
            ].line  # where a problem without a line stands, so that each has its own
            placed = [row if row["line"] else _at(row, begins) for row in read.problems]
            _keep(replace(read, problems=placed), uri, rows, seen)
        return
    read = report_incident.read(document, text, uri, _clean(stem))
    if read.blank:
        rows["problems"].append(
            problem(uri, "skipped", read.blank, "Rename or complete it if it is a report.")
        )
    else:
        _keep(read, uri, rows, seen)


def _several(parts: list[report_split.Part], uri: str) -> dict[str, Any]:
    lines = [part.document.sections[1].line for part in parts]
    places = f"{', '.join(map(str, lines[:10]))}{' and on' * (len(lines) > 10)}"
    what = f"The file tells of {len(parts)} incidents, from lines {places}."
    remedy = "Nothing, if these are the incidents: each is read as one. Else write one file per incident."
    return problem(uri, "doubtful", what, remedy, line=lines[0], field="incident_id")


def _at(row: dict[str, Any], line: int) -> dict[str, Any]:
    return problem(
        row["source_uri"], row["kind"], row["message"], row["remedy"], line=line, field=row["field"]
    )


def _keep(
    read: report_incident.ReportRead, uri: str, rows: dict[str, list[dict[str, Any]]], seen: dict[str, str]
) -> None:
    """Add the rows of one incident, under an id that no other has."""
    told = list(read.problems)
    incident_id = own = _clean(read.incident["incident_id"])
    digits = 6
    while incident_id in seen:
        incident_id = distinct_id(own, uri, digits)
        digits += 6
    if incident_id != own:
        what = f"{own} is the id of another report too: {seen[own]}."
        remedy = f"Give one of the two its own id; until then this one is {incident_id}."
        told.append(problem(uri, "contradiction", what, remedy, field="incident_id"))
    seen[incident_id] = uri
    rows["incidents"].append(_cleaned(read.incident) | {"incident_id": incident_id})
    for table in PARTS:
        rows[table] += [_cleaned(row) | {"incident_id": incident_id} for row in read.parts[table]]
    rows["problems"] += [_cleaned(row) | {"subject": incident_id} for row in told]


def _cleaned(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _skipped(file: Path, stem: str) -> tuple[str, str] | None:
    """Message and remedy where the name alone says that this is no report to read."""
    suffix = file.name[len(stem) :].lower()
    if suffix and suffix not in MARKDOWN + HTML:
        return f"Files with the suffix {suffix} are not read.", foreign.suffix_remedy(suffix)
    if stem.lower() in _NO_REPORT:
        return f"{_clean(file.name)} is by its name no incident report.", "Rename it if it is one."
    return None


def _text(file: Path, uri: str) -> str:
    """Text of a file. Raises InputError: too large, empty, binary, not UTF-8, not readable."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"The file has {size:,} bytes; {MAX_BYTES:,} is the limit.",
                where=uri,
                remedy="Keep the report and move logs or images into files of their own.",
            )
        data = file.read_bytes()
    except OSError as error:
        what = f"The file cannot be read: {error.strerror}."
        raise InputError(what, where=uri, remedy="Check its permissions.") from None
    if b"\0" in data:
        raise InputError(
            "The file is binary, or not in UTF-8.",
            where=uri,
            remedy="Save the report as Markdown text in UTF-8.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "The file is not UTF-8 text.", where=uri, line=line, remedy="Save it as UTF-8."
        ) from None
    if not text.strip():
        raise InputError("The file is empty.", where=uri, remedy="Write the report, or remove the file.")
    return text
