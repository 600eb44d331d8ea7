"""What needs both ends: files in, tables out.

Good files come in and bad ones are listed: a file that cannot be used becomes a row of `problems` and touches
no other table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from . import reconcile, schema
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

Progress = Callable[[str, int, int], None]

_INCIDENT_PARTS = ("incident_services", "incident_teams", *reports.PARTS)
_BATCH_ROWS = 2_000_000  # points held in memory before they are committed


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
    given = None if corrections is None else reconcile.read(corrections, _relative(corrections, base), store)
    found: dict[str, list[tuple[Path, Path]]] = defaultdict(list)
    for path in paths:
        anchor = _anchor(path, base)
        before = sum(map(len, found.values()))
        for what, file in recognise.files(path, mapping, kind):
            found[what].append((file, anchor))
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
    run.add_series(
        [*((f, a, "csv") for f, a in found["csv"]), *((f, a, "json") for f, a in found["json"])], mapping
    )
    return run.finish(given, {what: len(files) for what, files in found.items() if files})


def _anchor(path: Path, base: Path | None) -> Path:
    path = path.resolve()
    if base is not None and path.is_relative_to(base.resolve()):
        return base.resolve()
    return path.parent if path.is_dir() else path.parent.parent


def _relative(path: Path, base: Path | None) -> str:
    return path.resolve().relative_to(_anchor(path, base)).as_posix()


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

    def add_reports(self, files: Sequence[tuple[Path, Path]]) -> None:
        for i, (path, anchor) in enumerate(files):
            self._say("reports", i, len(files))
            read = self._guarded(path, anchor, partial(reports.read, path, base=anchor))
            if read is None:
                continue
            read = self._own_ids(read)
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

    def _own_ids(self, read: reports.Reports) -> reports.Reports:
        """An id that another file's incident already has gets a suffix and a problem row; a moved file keeps it."""
        known = self._store.load("incidents").set_index("incident_id")
        clashes = {}
        for row in read.incidents.itertuples():
            if row.incident_id in known.index:
                other = known.loc[row.incident_id]
                if other["source_uri"] != row.source_uri and other["text"] != row.text:
                    clashes[row.incident_id] = reports.distinct_id(row.incident_id, row.source_uri)
        if not clashes:
            return read
        rows = [
            problem(
                row.source_uri,
                "contradiction",
                f"{row.incident_id} is the id of another report too: {known.loc[row.incident_id]['source_uri']}.",
                "Give one of the two its own id; until then this one is kept under the id named as subject.",
                subject=clashes[row.incident_id],
                field="incident_id",
            )
            for row in read.incidents.itertuples()
            if row.incident_id in clashes
        ]
        renamed = {
            name: getattr(read, name).replace({"incident_id": clashes})
            for name in ("incidents", *reports.PARTS)
        }
        return reports.Reports(
            **renamed, problems=pd.concat([read.problems, schema.frame("problems", rows)], ignore_index=True)
        )

    def add_trackers(self, files: Sequence[tuple[Path, Path]], kind: str | None) -> None:
        """Exports overlap and forget: an incident in several counts as last modified; one that is gone stays."""
        reads = []
        for i, (path, anchor) in enumerate(files):
            self._say("exports", i, len(files))
            uri = path.resolve().relative_to(anchor).as_posix()
            read = self._guarded(path, anchor, partial(trackers.read, path, uri, kind))
            if read is not None:
                reads.append(read)
        if not reads:
            return
        found = trackers.newest(reads)
        self._problems.append(found.problems)
        incidents = self._without_synced(self._without_reports_ids(found.incidents))
        ids = list(incidents["incident_id"])
        parts = {
            "incident_services": trackers.members(incidents, "services", "service"),
            "incident_teams": trackers.members(incidents, "teams", "team"),
            "incident_names": found.names[found.names["incident_id"].isin(ids)].reset_index(drop=True),
        }
        self._upsert("incidents", incidents)
        for table, rows in parts.items():
            self._upsert(table, rows, "incident_id", ids)

    def _without_synced(self, incidents: pd.DataFrame) -> pd.DataFrame:
        """Without the rows that a sync fetched: what the API says now is newer than any saved reply."""
        stored = self._store.load("incidents", where={"incident_id": incidents["incident_id"]})
        synced = stored.loc[stored["source_uri"].str.startswith(trackers.SYNCED), "incident_id"]
        taken = incidents["incident_id"].isin(synced)
        rows = [
            problem(
                uri,
                "skipped",
                f"{n} incident(s) of this file come from `resilience sync` too, whose state is kept.",
                "Nothing; the file is needed only where Datadog no longer has them.",
                field="incident_id",
            )
            for uri, n in incidents.loc[taken, "source_uri"].value_counts(sort=False).items()
        ]
        self._problems.append(schema.frame("problems", rows))
        return incidents[~taken].reset_index(drop=True)

    def _without_reports_ids(self, incidents: pd.DataFrame) -> pd.DataFrame:
        """Without the rows whose id a report has: the report came first, and is kept."""
        stored = self._store.load("incidents")
        reports_ids = stored.loc[stored["source"] == "markdown", "incident_id"]
        taken = incidents["incident_id"].isin(reports_ids)
        rows = [
            problem(
                row.source_uri,
                "contradiction",
                f"{row.incident_id} is the id of a report too; the export's row was not used.",
                "Give the report an id of its own.",
                subject=row.incident_id,
                field="incident_id",
            )
            for row in incidents[taken].itertuples()
        ]
        self._problems.append(schema.frame("problems", rows))
        return incidents[~taken].reset_index(drop=True)

    def add_gamedays(self, files: Sequence[tuple[Path, Path]]) -> None:
        good = []
        for i, (path, anchor) in enumerate(files):
            self._say("GameDays", i, len(files))
            read = self._guarded(path, anchor, partial(gamedays.read, path, base=anchor))
            if read is None:
                continue
            self._problems.append(read.problems)
            if read.gamedays.empty:  # every error of a refused file is its own row
                self._whole |= set(read.problems["problem_id"])
            else:
                good.append(read)
        ids = [gameday_id for read in good for gameday_id in read.gamedays["gameday_id"]]
        for table in schema.GAMEDAY_TABLES if good else ():
            rows = pd.concat([getattr(read, table) for read in good], ignore_index=True)
            self._upsert(table, rows, "gameday_id", ids)

    def skip(self, files: Sequence[tuple[Path, Path]]) -> None:
        """CSV files that lie in a folder without a mapping: some table, not series that anybody described."""
        rows = [
            problem(
                path.resolve().relative_to(anchor).as_posix(),
                "skipped",
                "No mapping file lies beside this CSV, so it was not read as series.",
                "If it holds series, write a mapping file (docs/series-files.md); if incidents, docs/sources.md says which "
                "exports are read, and `resilience placebo FILE` asks it directly.",
            )
            for path, anchor in files
        ]
        self._problems.append(schema.frame("problems", rows))

    def skip_unknown(self, files: Sequence[tuple[Path, Path]]) -> None:
        """Files of a format that is read elsewhere, but not where they lie or not as they are named."""
        for path, anchor in files:
            uri = path.resolve().relative_to(anchor).as_posix()
            what = f"Nothing is known that would read {path.name[:100]} here."
            row = problem(uri, "skipped", what, foreign.suffix_remedy(path.suffix.lower()))
            self._read.add(uri)
            self._problems.append(schema.frame("problems", [row]))

    def add_labels(self, files: Sequence[tuple[Path, Path]]) -> None:
        for path, anchor in files:
            rows = self._guarded(path, anchor, partial(labels.read, path))
            if rows is not None:
                self._upsert("labels", rows)

    def add_verdicts(self, files: Sequence[tuple[Path, Path]]) -> None:
        """A file's verdicts replace those that it held before: a line taken out is taken back."""
        self._replace("dependency_verdicts", "source_uri", files, dependency_verdicts.read)

    def add_graphs(self, files: Sequence[tuple[Path, Path]]) -> None:
        """A file's calls and services replace those that it held before."""
        for i, (path, anchor) in enumerate(files):
            self._say("graphs", i, len(files))
            uri = path.resolve().relative_to(anchor).as_posix()
            read = self._guarded(path, anchor, partial(graph.read, path, uri))
            if read is not None:
                self._problems.append(read.problems)
                self._upsert("service_edges", read.edges, "source", [uri])
                self._upsert("services", read.services, "source", [uri])

    def add_deployments(self, files: Sequence[tuple[Path, Path]]) -> None:
        """Exports overlap and forget, as trackers' do: a deployment that is gone from the file stays."""
        for i, (path, anchor) in enumerate(files):
            self._say("deployments", i, len(files))
            uri = path.resolve().relative_to(anchor).as_posix()
            read = self._guarded(path, anchor, partial(deployments.read, path, uri))
            if read is not None:
                self._problems.append(read.problems)
                self._upsert("deployments", read.deployments)

    def add_calendars(self, files: Sequence[tuple[Path, Path]], zone: str) -> None:
        """A file's entries replace those that it held before."""
        self._replace("calendar", "source", files, partial(calendar.read, zone=zone))

    def _replace(
        self, table: str, column: str, files: Sequence[tuple[Path, Path]], read: Callable[..., pd.DataFrame]
    ) -> None:
        """What `read` makes of each file (path, name in the store) instead of the rows whose `column` has that name."""
        for path, anchor in files:
            uri = path.resolve().relative_to(anchor).as_posix()
            rows = self._guarded(path, anchor, partial(read, path, uri))
            if rows is not None:
                self._upsert(table, rows, column, [uri])

    def add_series(self, files: Sequence[tuple[Path, Path, str]], mapping: Path | None) -> None:
        batch: list[pd.DataFrame] = []
        for i, (path, anchor, kind) in enumerate(files):
            self._say("series", i, len(files))
            if kind == "csv":
                read = self._guarded(path, anchor, partial(series.read, path, mapping, base=anchor))
            else:
                read = self._guarded(path, anchor, partial(datadog.read_saved, path, base=anchor))
            if read is None:
                continue
            self._problems.append(read.problems)
            batch.append(read.series)
            if sum(map(len, batch)) >= _BATCH_ROWS:
                self._commit_series(batch)
                batch = []
        if batch:
            self._commit_series(batch)

    def _commit_series(self, batch: list[pd.DataFrame]) -> None:
        """Points that two files share: equal ones stand once; unequal ones are null, as nothing says which is right."""
        self._say("series: writing", 0, 1)
        rows = pd.concat(batch, ignore_index=True)
        keys = list(schema.key("series"))
        doubled = rows[rows.duplicated(keys, keep=False)]
        if len(doubled):
            unequal = doubled[doubled.groupby(keys)["value"].transform("nunique", dropna=False) > 1]
            rows = rows.assign(value=rows["value"].mask(rows.index.isin(unequal.index)))
            rows = rows.drop_duplicates(keys, keep="last", ignore_index=True)
            for (metric, scope), points in unequal.groupby(["metric", "scope"], sort=True):
                files = " and ".join(sorted(points["source"].unique()))
                row = problem(
                    points["source"].max(),
                    "contradiction",
                    f"{points['at'].nunique()} point(s) of {metric} {scope} differ between {files}; they were left empty.",
                    "Remove the export that is wrong, and ingest the other one alone.",
                    field="value",
                )
                self._problems.append(schema.frame("problems", [row]))
        self._upsert("series", rows)

    def _guarded(self, path: Path, anchor: Path, read: Callable[[], Any]) -> Any:
        """What `read` returns; an unusable file becomes a problem row and None."""
        name = path.resolve().relative_to(anchor).as_posix()
        self._read.add(name)
        try:
            return read()
        except InputError as error:
            row = problem(error.where or name, "unreadable", error.what, error.remedy, line=error.line)
            self._problems.append(schema.frame("problems", [row]))
            return None

    def _upsert(
        self, table: str, rows: pd.DataFrame, by: str | None = None, values: Iterable[str] = ()
    ) -> None:
        commit = self._store.upsert(table, rows, replacing=None if by is None else (by, values))
        if commit.version is not None:
            self._commits.append(commit)
