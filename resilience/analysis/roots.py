"""Where did it begin? Services of a window ranked by how far they moved, and by who calls whom."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import movement

STRONGEST = 5  # series of a service that count, so that being measured more does not rank it higher
RESTART, STAY, BACK = (
    0.5,
    2.0,
    0.1,
)  # of the walk: starting anew, staying against going on, going back to a caller
STEPS = 100


@dataclass(frozen=True)
class Roots:
    """Services in order of how likely the window's trouble began there. `table`: one row per service with a judged series.

    Columns: rank (from 1), service, share (of the walk's time that it spends there; all add up to 1), score (mean logarithm
    of 1 + level over its five strongest series), metric and level of the strongest, moved (by the family's threshold),
    onset_at. It is an order to look in, not a cause.
    """

    table: pd.DataFrame
    text: str


def rank(
    series: pd.DataFrame,
    window: movement.Span,
    reference: movement.Span | list[movement.Span],
    calls: Mapping[str, frozenset[str]],
    *,
    lead: pd.Timedelta | None = None,
    executor: Executor | None = None,
) -> Roots:
    """Rank the services of `series` for `window` against fault-free `reference` (as `movement.moved`); `calls`: caller ->

    callees, as `service_graph.callees` makes them from `service_edges`.
    """
    return of_moved(movement.moved(series, window, reference, lead=lead, executor=executor), calls)


def of_moved(found: movement.Moved, calls: Mapping[str, frozenset[str]]) -> Roots:
    """Rank the services of what `moved` found.

    A random walk (after Kim et al., MonitorRank, SIGMETRICS 2013) starts at services by the square of their score and goes
    from a caller to callees by theirs: a service that is slow because what it calls is slow hands its rank down.
    """
    rows = found.table.dropna(subset=["service", "level"])
    strongest = rows.sort_values("level", ascending=False, kind="stable").groupby("service", sort=True)
    first = strongest.head(1).set_index("service").sort_index()
    top = rows.assign(log=np.log1p(rows["level"])).sort_values("log", ascending=False)
    score = top.groupby("service")["log"].apply(lambda values: values.head(STRONGEST).mean()).sort_index()
    names = [str(name) for name in score.index]
    share = _walk(score.to_numpy(dtype=float), names, calls)
    services = found.services.set_index("service").reindex(names)
    table = pd.DataFrame(
        {
            "service": pd.Series(names, dtype="str"),
            "share": share,
            "score": score.to_numpy(dtype=float),
            "metric": first["metric"].to_numpy(),
            "level": first["level"].to_numpy(dtype=float),
            "moved": services["moved"].to_numpy(),
            "onset_at": services["onset_at"].to_numpy() if names else pd.to_datetime([], utc=True),
        }
    )
    table["onset_at"] = pd.to_datetime(table["onset_at"], utc=True).astype("datetime64[us, UTC]")
    table["moved"] = table["moved"].astype("boolean")
    table = table.sort_values(["share", "service"], ascending=[False, True], ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return Roots(table, _text(table))


def _walk(score: np.ndarray, names: list[str], calls: Mapping[str, frozenset[str]]) -> np.ndarray:
    """Share of its time that the walk spends at each service."""
    if not len(score) or not score.any():
        return np.full(len(score), 1 / max(len(score), 1))
    place = {name: i for i, name in enumerate(names)}
    weight = np.square(score / score.max())
    step = np.diag(STAY * weight)
    for name, callees in calls.items():
        for callee in callees:
            if name in place and callee in place and name != callee:
                step[place[name], place[callee]] += weight[place[callee]]
                step[place[callee], place[name]] += BACK * weight[place[name]]
    total = step.sum(axis=1, keepdims=True)
    step = np.divide(step, total, out=np.eye(len(names)), where=total > 0)
    start = weight / weight.sum()
    there = start
    for _ in range(STEPS):
        there = RESTART * start + (1 - RESTART) * there @ step
    return there


def _text(table: pd.DataFrame) -> str:
    if table.empty:
        return "No service has a series that could be judged."
    names = ", ".join(table["service"].head(3))
    moved = int(table["moved"].fillna(False).sum())
    if not table["score"].any():
        return f"None of {len(table)} services moved at all: nothing says where to look first."
    if not moved:
        return f"None of {len(table)} services moved beyond what is usual; {names} strayed most, which is no cause."
    return f"Look at {names} first, of {len(table)} services; {moved} moved. This is an order to look in, not a cause."
