"""Analyses of every series of the store, each computed apart where its points are read: in processes, or on a cluster.

What is sent to a worker is a name of series, what comes back a small result; the caller alone assembles and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any

from . import points, views
from .analysis import grid, profile
from .errors import InputError, RefusedError
from .store import Store

THREADS = 2  # of one process: most of the time goes into reading and sorting, which hold no lock


def week_profile(
    store: Store,
    metric: str,
    interval_s: float,
    zone: str,
    *,
    scope: str | Iterable[str] | None = None,
    exclude: grid.Spans | None = None,
    executor: Executor | None = None,
) -> profile.Profile:
    """What `analysis.profile.profile` finds in the points of `metric` at `interval_s`, without a table of them.

    Arguments and refusals as there. Memory is that of a part of the series (`points.PART_ROWS`) per worker.
    """
    if (store.load("corrections")["target"] == "series").any():  # of single points: read the table
        rows = views.series_at(store, metric, interval_s)
        return profile.profile(rows, zone, metric=metric, scope=scope, exclude=exclude, executor=executor)
    known = points.inventory(store, metric, interval_s)
    if known.empty:
        raise InputError(
            f"There is no {metric} at {interval_s:g} s in the store.",
            remedy="Choose another metric or interval, or ingest its series.",
        )
    if scope is not None:
        known = grid.chosen(known, metric, scope)
    for name in ("rollup", "unit"):
        grid.single(known, metric, name)
    step_us, rollup = round(interval_s * 1e6), str(known["rollup"].iloc[0])
    profile.refuse_long(metric, step_us)
    held = {name: list(spans) for name, spans in exclude.items()} if isinstance(exclude, Mapping) else exclude
    work = partial(_weeks, zone=zone, exclude=held)
    tasks = points.parts(store, known)
    weeks: list[profile.Week] = []
    refused: dict[str, RefusedError] = {}
    with nullcontext(executor) if executor is not None else ThreadPoolExecutor(THREADS) as pool:
        for scope, found in (one for part in pool.map(work, tasks) for one in part):
            if isinstance(found, RefusedError):
                refused[scope] = found
            else:
                weeks.append(found)
    return profile.assemble(metric, zone, rollup, step_us, weeks, refused)


def _weeks(
    part: points.Part, zone: str, exclude: grid.Spans | None
) -> list[tuple[str, profile.Week | RefusedError]]:
    step_us = round(part.interval_s * 1e6)
    given: dict[str, Any] = {"exclude": exclude, "metric": part.metric, "rollup": part.rollup}
    found: list[tuple[str, profile.Week | RefusedError]] = []
    for scope, at, value in points.read(part):
        try:
            found.append((scope, profile.week(grid.of_points(scope, at, value, step_us, **given), zone)))
        except RefusedError as error:
            found.append((scope, error))
    return found
