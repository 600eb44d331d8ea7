"""Which kind of file a file is, so that a folder can be given as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from . import calendar, dependency_verdicts, deployments, graph, reports, series_mapping, trackers

_SETTINGS = ("mapping.yml", "corrections.yml", "taxonomy.yml", "faults.yml", "resilience.yml")
"""YAML that other readers look for by its name."""


def files(path: Path, mapping: Path | None = None, forced: str | None = None) -> Iterator[tuple[str, Path]]:
    """Every file under `path` with its kind; a folder of reports stays one, so that its ids are unique.

    `mapping`: says of every CSV that it holds series. `forced`: a tracker that every JSON and CSV is an export of.
    Raises InputError where `path` does not exist.
    """
    if not path.exists():
        raise InputError("There is no such file or folder.", where=str(path), remedy="Check the path.")
    if path.is_file():
        yield kind_of(path, mapping, forced), path
        return
    found = (p for p in sorted(path.rglob("*")) if p.is_file())
    kinds = [
        (kind_of(f, mapping, forced), f)
        for f in found
        if not any(part.startswith(".") for part in f.relative_to(path).parts)
    ]
    if any(kind == "report" for kind, _ in kinds):
        yield "report", path
    for kind, file in kinds:
        if kind == "csv" and mapping is None and not series_mapping.beside(file):
            yield "table", file
        elif kind not in ("report", "settings"):
            yield kind, file


def kind_of(file: Path, mapping: Path | None = None, forced: str | None = None) -> str:
    """Which reader `file` goes to: by its name, JSON and CSV also by content; `settings` are read by none, nor is what is
    `unknown`, which is told."""
    if file.name in ("gameday.yml", "gameday.yaml"):
        return "gameday"
    if file.name in reports.PLANNED:
        return "settings"
    if file.name in calendar.NAMES:
        return "calendar"
    if file.name == dependency_verdicts.NAME and file.parent.name == dependency_verdicts.FOLDER:
        return "verdicts"
    if file.name == "root_cause.csv":
        return "labels"
    suffix = file.suffix.lower()
    if file.parent.name == graph.FOLDER and suffix in graph.SUFFIXES:
        return "graph"
    if suffix in (".csv", ".json"):
        described = suffix == ".csv" and (mapping is not None or series_mapping.beside(file))
        if forced or (not described and trackers.recognise(file)):
            return "tracker"
        if suffix == ".csv" and not described and deployments.recognise(file):
            return "deployments"
        return suffix[1:]
    if suffix in (".yml", ".yaml"):
        return "settings" if file.name in _SETTINGS or file.name.endswith(".mapping.yml") else "unknown"
    return "report"
