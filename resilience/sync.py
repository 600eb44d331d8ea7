"""`resilience sync datadog`, the series: windows, watermarks, several queries in flight, one writer.

A window is committed together with the watermark of its query (one Delta commit), so that a process that dies at any
moment leaves a store from which the next run goes on. Each query is read in order, from its own watermark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from . import schema
from .errors import InputError
from .sources import datadog
from .sources.datadog_api import Api, Unreachable
from .sources.datadog_config import Config, Query, Services
from .sources.points import FileRead, Points, collect
from .sources.problems import problem
from .store import Commit, Store

UNIT = 720
"""Intervals per unit: windows begin and end on multiples of it (12 h at 1 minute, 30 days at 1 hour), so that they
fit every longer interval to which the server may change; two units are one window, under its limit of 1500 points."""

LATE = 360
"""Intervals before the watermark that are read again in any case, because late points change."""

_BATCH_ROWS = 100_000
"""Rows that wait for a commit, or those of one window where it has more: what a sync holds in memory at most."""
_BATCH_S = 60.0
_TELL_S = 10.0

Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Window:
    """Seconds since 1970, aligned to the query's interval: first <= at < last. `again`: it was read before, in part."""

    query: Query
    first: int
    last: int
    again: bool = False

    @property
    def asked(self) -> int:
        """Where the request begins: a short window asks for more than it keeps, since only many points tell an
        interval that the server raised from points that are missing."""
        unit = UNIT * self.query.interval
        return min(self.first, (self.last - unit) // unit * unit)


@dataclass
class Synced:
    """What a sync did. `failed` holds what it could not do, each with its remedy."""

    commits: list[Commit] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    points: int = 0
    records: int = 0


def windows(query: Query, since: int, until: int, mark: int | None) -> list[Window]:
    """What to ask for: from `since`, or from before the watermark, up to the last interval that is over."""
    step, unit = query.interval, UNIT * query.interval
    first = -(-since // step) * step
    if mark is not None and mark > first:
        first = max(first, (mark - LATE * step) // unit * unit)
    last = until // step * step
    found = []
    while first < last:
        end = min((first // unit + 2) * unit, last)
        found.append(Window(query, first, end, mark is not None and first < mark))
        first = end
    return found


def plan(config: Config, store: Store, since: datetime, until: datetime) -> dict[Query, list[Window]]:
    """The windows of every query, from where the store has got to."""
    first, last = int(since.timestamp()), int(until.timestamp())
    return {
        query: found
        for query in config.queries
        if (found := windows(query, first, last, store.mark("series", query.mark)))
    }


def series(
    api: Api, store: Store, config: Config, since: datetime, until: datetime, *, parallel: int = 4, say: Say
) -> Synced:
    """Reads every window of every query into `series`; at most `parallel` calls at once.

    A query that Datadog refuses is listed and the others go on; where Datadog cannot be reached, all stop. Ctrl-C
    commits what has arrived. Returns what was done; raises only what the store raises.
    """
    todo = plan(config, store, since, until)
    batch = _Batch(store, config, total=sum(map(len, todo.values())), say=say, api=api)
    left = {query: iter(found) for query, found in todo.items()}
    waiting = iter(list(left))
    running: dict[Future[tuple[list[Points], int]], Window] = {}
    with ThreadPoolExecutor(parallel) as pool:

        def start(query: Query | None) -> None:
            """The next window of `query`, or of the next query where it is finished."""
            window = next(left[query], None) if query is not None else None
            while window is None:
                if (query := next(waiting, None)) is None:
                    return
                window = next(left[query], None)
            running[pool.submit(_ask, api, window, config.services)] = window

        try:
            for _ in range(parallel):
                start(None)
            while running:
                done, _ = wait(running, timeout=_TELL_S, return_when=FIRST_COMPLETED)
                if not done:
                    batch.tell()
                for future in done:
                    window = running.pop(future)
                    try:
                        points, rows = future.result()
                    except Unreachable as error:
                        batch.failed(window.query, error)
                        waiting, left = iter(()), dict.fromkeys(left, iter(()))
                        continue
                    except InputError as error:
                        batch.failed(window.query, error)
                        start(None)
                        continue
                    start(window.query)
                    batch.add(window, points, rows)
            batch.commit()
        except KeyboardInterrupt:
            api.close()
            batch.commit()
            raise
        finally:
            if running:
                api.close()
    return batch.result


def _ask(api: Api, window: Window, services: Services) -> tuple[list[Points], int]:
    """The series of one window, and how many points they have; those outside of the window are left out."""
    query = window.query
    request = {
        "data": {
            "type": "timeseries_request",
            "attributes": {
                "from": window.asked * 1000,
                "to": window.last * 1000,
                "interval": query.interval * 1000,
                "queries": [{"data_source": "metrics", "name": "a", "query": query.sent}],
                "formulas": [{"formula": "a"}],
            },
        }
    }
    reply = api.call("timeseries", body=request)
    found = datadog.points(request, reply.data, where=f"query {query.name[:60]!r}", interval_s=query.interval)
    kept: dict[tuple[str, float], Points] = {}
    for points in found:
        at, value = points.at, points.value
        inside = (at >= window.first * 1_000_000) & (at < window.last * 1_000_000)
        scope = services.scope(points.scope)
        if (scope, points.interval_s) in kept:
            raise InputError(
                f"Two groups have the same scope {scope[:80]!r}.",
                where=f"query {query.name[:60]!r}",
                remedy="Group by one tag that names the service, or rename fewer services.",
            )
        kept[scope, points.interval_s] = replace(
            points, metric=query.name, scope=scope, at=at[inside], value=value[inside]
        )
    return list(kept.values()), sum(len(p.at) for p in kept.values())


class _Batch:
    """Windows that have arrived and wait for their commit; says how far the sync is."""

    def __init__(self, store: Store, config: Config, *, total: int, say: Say, api: Api) -> None:
        self._store, self._total, self._say, self._api = store, total, say, api
        self._meant = {(query.name, float(query.interval)) for query in config.queries}
        self.result = Synced()
        self._began = self._last = time.monotonic()
        self._done = 0
        self._clear()

    def _clear(self) -> None:
        self._points: dict[str, list[Points]] = {}
        self._marks: dict[str, int] = {}
        self._steps: dict[str, int] = {}
        self._again: dict[tuple[int, int, int], set[str]] = {}
        self._rows = 0

    def add(self, window: Window, points: list[Points], rows: int) -> None:
        query = window.query
        self._points.setdefault(query.name, []).extend(points)
        self._marks[query.mark] = window.last
        self._steps[query.mark] = query.interval
        if window.again:
            self._again.setdefault((window.first, window.last, query.interval), set()).add(query.name)
        self._rows += rows
        self._done += 1
        self.result.points += rows
        for longer in sorted({p.interval_s for p in points if p.interval_s != query.interval}):
            self._note_interval(query, longer)
        self.tell()
        if self._rows >= _BATCH_ROWS or time.monotonic() - self._last > _BATCH_S:
            self.commit()

    def failed(self, query: Query, error: InputError) -> None:
        self.result.failed.append(f"{query.name}: {error}")

    def commit(self) -> None:
        """Rows and watermarks in one commit. Where no row changed, a watermark moves only if staying costs calls."""
        files = [
            FileRead("datadog", f"query {name}", points, []) for name, points in sorted(self._points.items())
        ]
        read = collect(files)
        commits = [self._store.upsert("series", read.series, marks=self._marks)]
        if commits[0].version is None:
            far = {
                name: at
                for name, at in self._marks.items()
                if at - (self._store.mark("series", name) or 0) > LATE * self._steps[name]
            }
            if far:
                commits.append(self._store.advance("series", far))
        commits += [
            self._store.remove("series", self._superseded(read.series, *window)) for window in self._again
        ]
        commits.append(self._store.upsert("problems", read.problems))
        self.result.commits += [commit for commit in commits if commit.version is not None]
        self._clear()
        self._last = time.monotonic()

    def _superseded(self, read: pd.DataFrame, first: int, last: int, step: int) -> pd.DataFrame:
        """Stored rows of windows that were read again whose series now comes at another interval: few points do not
        tell a longer interval, so the first ones of a query may stand under the one asked for."""
        names, series = self._again[first, last, step], ["metric", "scope", "rollup"]
        span = pd.Timestamp(first, unit="s", tz="UTC"), pd.Timestamp(last, unit="s", tz="UTC")
        there = self._own(self._store.load("series", where={"metric": names}, between=span), step)
        inside = read["metric"].isin(names) & (read["at"] >= span[0]) & (read["at"] < span[1])
        now = self._own(read[inside], step).groupby(series, as_index=False)["interval_s"].max()
        there = there.merge(now, on=series, suffixes=("", "_now"))
        return there[there["interval_s"] != there["interval_s_now"]]

    def _own(self, rows: pd.DataFrame, step: int) -> pd.DataFrame:
        """Rows without those of another query of the same metric, at another interval."""
        pairs = zip(rows["metric"], rows["interval_s"], strict=True)
        return rows[np.array([at == step or (name, at) not in self._meant for name, at in pairs], dtype=bool)]

    def _note_interval(self, query: Query, longer: float) -> None:
        row = problem(
            f"query {query.name}",
            "contradiction",
            f"Asked for every {query.interval} s, Datadog gave every {longer:g} s in some windows; kept as it came.",
            f"Ask for {longer:g} s in datadog.yml, or for fewer groups.",
            field="interval_s",
        )
        commit = self._store.upsert("problems", schema.frame("problems", [row]))
        if commit.version is not None:
            self.result.commits.append(commit)

    def tell(self) -> None:
        passed = time.monotonic() - self._began
        left = passed / max(self._done, 1) * (self._total - self._done)
        budget = f", {self._api.budget}" if self._api.budget else ""
        left_s = f", {_span(left)} left" if self._done else ""
        text = f"{self._api.calls} calls, {self.result.points:,} points{budget}{left_s}"
        self._say(text, self._done, self._total)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def rows(commits: Iterable[Commit]) -> pd.DataFrame:
    """Commits summed by table: inserted, updated, deleted, and the version reached."""
    found = pd.DataFrame([vars(commit) for commit in commits], columns=list(Commit.__dataclass_fields__))
    return found.groupby("table", as_index=False, sort=True).agg(
        {"inserted": "sum", "updated": "sum", "deleted": "sum", "version": "max"}
    )
