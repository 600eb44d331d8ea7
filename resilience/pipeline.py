"""What needs both ends: files in, tables out.

Good files come in and bad ones are listed: a file that cannot be used becomes a row of `problems` and touches
no other table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pandas as pd

from . import clashes, reconcile, schema
from .errors import InputError
from .sources import (
    calendar,
    corrections_file,
    datadog,
    dependency_verdicts,
    deployments,
    foreign,
    gamedays,
    graph,
    labels,
    recognise,
    reports,
    series,
    trackers,
)
from .sources.problems import problem
from .store import Commit, Store

R = TypeVar("R")
Progress = Callable[[str, int, int], None]

_INCIDENT_PARTS = ("incident_services", "incident_teams", *reports.PARTS)
_BATCH_ROWS = 2_000_000  # points held in memory before they are committed


@dataclass(frozen=True)
class _File:
    """A file to read, and the folder that its name in the store is relative to."""

    path: Path
    base: Path

    @property
    def uri(self) -> str:
        seen = self.path.parent.resolve() / self.path.name  # a link keeps the name that the user sees
        path = seen if seen.is_relative_to(self.base) else self.path.resolve()
        name = path.relative_to(self.base).as_posix() if path.is_relative_to(self.base) else path.name
        return name.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Ingested:
    """`files`: how many files were read, by kind. `commits`: what changed, per table. `problems`: rows of this run."""

    files: Mapping[str, int]
    commits: Sequence[Commit]
    problems: pd.DataFrame

    @property
    def refused(self) -> pd.DataFrame:
        """Problems that cost a whole file."""
        return self.problems[(self.problems["kind"] == "unreadable") & self.problems["whole_file"]]


def ingest(
    store: Store,
    paths: Iterable[Path],
    *,
    base: Path | None = None,
    mapping: Path | None = None,
    kind: str | None = None,
    corrections: Path | None = None,
    zone: str = "UTC",
    progress: Progress | None = None,
) -> Ingested:
    """Read reports, tracker exports, series, GameDays, labels, graphs and calendars under `paths` into `store`.

    Files are recognised by name, JSON and CSV also by content; `kind` (of `trackers.KINDS`) says that every JSON and
    CSV file here is an export of that tracker. Then incidents of several sources are linked, and the entries of the
    file `corrections` replace those in the store (None keeps them): one that does not fit raises InputError.
    The days of a calendar are those of `zone`. Names in the store are relative to `base` where a path lies in it, else
    to the folder above the path given.
    Raises InputError where a path does not exist or holds nothing that can be read; nothing is stored then.
    """
    given = (
        None
        if corrections is None
        else reconcile.read(corrections, _File(corrections, _anchor(corrections, base)).uri, store)
    )
    found: dict[str, list[_File]] = defaultdict(list)
    for path in paths:
        anchor = _anchor(path, base)
        before = sum(map(len, found.values()))
        for what, file in recognise.files(path, mapping, kind):
            found[what].append(_File(file, anchor))
        if sum(map(len, found.values())) == before:
            raise InputError(
                "There is nothing here to ingest.",
                where=str(path),
                remedy="Give a folder with reports (.md), exports or series (.json, .csv with a mapping), or a gameday.yml.",
            )
    say = progress or (lambda what, done, of: None)
    run = _Run(store, say)
    run.add_reports(found["report"])
    run.add_trackers(found["tracker"], kind)
    run.add_gamedays(found["gameday"])
    run.add_labels(found["labels"])
    run.add_verdicts(found["verdicts"])
    run.add_graphs(found["graph"])
    run.add_deployments(found["deployments"])
    run.add_calendars(found["calendar"], zone)
    run.skip(found["table"])
    run.skip_unknown(found["unknown"])
    run.add_series(found["csv"], found["json"], mapping)
    return run.finish(given, {what: len(files) for what, files in found.items() if files})


def _anchor(path: Path, base: Path | None) -> Path:
    path = path.resolve()
    if base is not None and path.is_relative_to(base.resolve()):
        return base.resolve()
    return path.parent if path.is_dir() else path.parent.parent


class _Run:
    """One ingest: commits as it goes, collects problems, remembers which files they may replace."""

    def __init__(self, store: Store, say: Progress) -> None:
        self._store, self._say = store, say
        self._commits: list[Commit] = []
        self._problems: list[pd.DataFrame] = []
        self._read: set[str] = set()
        self._whole: set[str] = set()

    def finish(self, given: corrections_file.Read | None, files: Mapping[str, int]) -> Ingested:
        self._write_problems()
        self._say("links", 0, 1)
        commits, doubts = reconcile.reconcile(self._store, given)
        self._commits += commits
        self._problems.append(doubts)
        self._read.add(reconcile.DOUBTS)
        problems = self._write_problems()
        whole = problems["problem_id"].isin(self._whole) | problems["field"].isna()
        return Ingested(files, self._commits, problems.assign(whole_file=whole))

    def _write_problems(self) -> pd.DataFrame:
        problems = pd.concat([schema.frame("problems"), *self._problems], ignore_index=True)
        problems = problems.drop_duplicates("problem_id", ignore_index=True)
        self._upsert("problems", problems, "source_uri", self._read | set(problems["source_uri"]))
        return problems

    def add_reports(self, files: Sequence[_File]) -> None:
        for _, read in self._each("reports", files, lambda file: reports.read(file.path, base=file.base)):
            read = clashes.own_ids(read, self._store.load("incidents"))
            ids = list(read.incidents["incident_id"])
            self._read |= set(read.incidents["source_uri"])
            self._problems.append(read.problems)
            parts = {
                "incident_services": trackers.members(read.incidents, "services", "service"),
                "incident_teams": trackers.members(read.incidents, "teams", "team"),
                **{name: getattr(read, name) for name in reports.PARTS},
            }
            self._upsert("incidents", read.incidents, "source_uri", list(read.incidents["source_uri"]))
            for table in _INCIDENT_PARTS:
                self._upsert(table, parts[table], "incident_id", ids)

    def add_trackers(self, files: Sequence[_File], kind: str | None) -> None:
        """Exports overlap and forget: an incident in several counts as last modified; one that is gone stays."""
        each = self._each("exports", files, lambda file: trackers.read(file.path, file.uri, kind))
        if not (reads := [read for _, read in each]):
            return
        found = trackers.newest(reads)
        incidents, taken = clashes.without_taken(found.incidents, self._store.load("incidents"))
        self._problems += [found.problems, taken]
        ids = list(incidents["incident_id"])
        parts = {
            "incident_services": trackers.members(incidents, "services", "service"),
            "incident_teams": trackers.members(incidents, "teams", "team"),
            "incident_names": found.names[found.names["incident_id"].isin(ids)].reset_index(drop=True),
        }
        self._upsert("incidents", incidents)
        for table, rows in parts.items():
            self._upsert(table, rows, "incident_id", ids)

    def add_gamedays(self, files: Sequence[_File]) -> None:
        good = []
        for _, read in self._each("GameDays", files, lambda file: gamedays.read(file.path, base=file.base)):
            self._problems.append(read.problems)
            if read.gamedays.empty:  # every error of a refused file is its own row
                self._whole |= set(read.problems["problem_id"])
            else:
                good.append(read)
        ids = [gameday_id for read in good for gameday_id in read.gamedays["gameday_id"]]
        for table in schema.GAMEDAY_TABLES if good else ():
            rows = pd.concat([getattr(read, table) for read in good], ignore_index=True)
            self._upsert(table, rows, "gameday_id", ids)

    def skip(self, files: Sequence[_File]) -> None:
        """CSV files that lie in a folder without a mapping: some table, not series that anybody described."""
        rows = [
            problem(
                file.uri,
                "skipped",
                "No mapping file lies beside this CSV, so it was not read as series.",
                "If it holds series, write a mapping file (docs/series-files.md); if incidents, docs/sources.md says which "
                "exports are read, and `resilience placebo FILE` asks it directly.",
            )
            for file in files
        ]
        self._problems.append(schema.frame("problems", rows))

    def skip_unknown(self, files: Sequence[_File]) -> None:
        """Files of a format that is read elsewhere, but not where they lie or not as they are named."""
        for file in files:
            what = f"Nothing is known that would read {file.path.name[:100]} here."
            row = problem(file.uri, "skipped", what, foreign.suffix_remedy(file.path.suffix.lower()))
            self._read.add(file.uri)
            self._problems.append(schema.frame("problems", [row]))

    def add_labels(self, files: Sequence[_File]) -> None:
        for _, rows in self._each("labels", files, lambda file: labels.read(file.path)):
            self._upsert("labels", rows)

    def add_verdicts(self, files: Sequence[_File]) -> None:
        """A file's verdicts replace those that it held before: a line taken out is taken back."""
        for file, rows in self._each(
            "verdicts", files, lambda file: dependency_verdicts.read(file.path, file.uri)
        ):
            self._upsert("dependency_verdicts", rows, "source_uri", [file.uri])

    def add_graphs(self, files: Sequence[_File]) -> None:
        """A file's calls and services replace those that it held before."""
        for file, read in self._each("graphs", files, lambda file: graph.read(file.path, file.uri)):
            self._problems.append(read.problems)
            self._upsert("service_edges", read.edges, "source", [file.uri])
            self._upsert("services", read.services, "source", [file.uri])

    def add_deployments(self, files: Sequence[_File]) -> None:
        """Exports overlap and forget, as trackers' do: a deployment that is gone from the file stays."""
        for _, read in self._each("deployments", files, lambda file: deployments.read(file.path, file.uri)):
            self._problems.append(read.problems)
            self._upsert("deployments", read.deployments)

    def add_calendars(self, files: Sequence[_File], zone: str) -> None:
        """A file's entries replace those that it held before."""
        for file, rows in self._each(
            "calendars", files, lambda file: calendar.read(file.path, file.uri, zone=zone)
        ):
            self._upsert("calendar", rows, "source", [file.uri])

    def add_series(self, files: Sequence[_File], exports: Sequence[_File], mapping: Path | None) -> None:
        """CSV `files` by their mapping, and `exports` of Datadog; committed in batches, since points are many."""
        batch: list[pd.DataFrame] = []
        for _, read in chain(
            self._each("series", files, lambda file: series.read(file.path, mapping, base=file.base)),
            self._each("series", exports, lambda file: datadog.read_saved(file.path, base=file.base)),
        ):
            self._problems.append(read.problems)
            batch.append(read.series)
            if sum(map(len, batch)) >= _BATCH_ROWS:
                self._commit_series(batch)
                batch = []
        if batch:
            self._commit_series(batch)

    def _commit_series(self, batch: list[pd.DataFrame]) -> None:
        self._say("series: writing", 0, 1)
        rows, problems = clashes.points_once(pd.concat(batch, ignore_index=True))
        self._problems.append(problems)
        self._upsert("series", rows)

    def _each(
        self, what: str, files: Sequence[_File], read: Callable[[_File], R]
    ) -> Iterator[tuple[_File, R]]:
        """What `read` returns of each file; an unusable one becomes a problem row."""
        for i, file in enumerate(files):
            self._say(what, i, len(files))
            self._read.add(file.uri)
            try:
                found = read(file)
            except InputError as error:
                row = problem(
                    error.where or file.uri, "unreadable", error.what, error.remedy, line=error.line
                )
                self._problems.append(schema.frame("problems", [row]))
                continue
            yield file, found

    def _upsert(
        self, table: str, rows: pd.DataFrame, by: str | None = None, values: Iterable[str] = ()
    ) -> None:
        commit = self._store.upsert(table, rows, replacing=None if by is None else (by, values))
        if commit.version is not None:
            self._commits.append(commit)
