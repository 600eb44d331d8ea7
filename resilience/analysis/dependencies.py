"""Who depends on whom without saying so: candidates from series that move together and from incidents that share services.

A candidate is a pair worth an experiment, no more: neither correlation nor a shared incident shows what causes what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ..errors import InputError
from . import coincidence, comovement, service_graph
from .roots import Roots, of_moved, rank

__all__ = ["Candidates", "Roots", "candidates", "of_moved", "rank"]

Q = 0.05  # share of false candidates that the series may hold, on average
Q_INCIDENTS = 0.02

COLUMNS = [
    "service", "follower", "lag_h", "correlation", "p_series", "n_hours", "together", "expected", "p_incidents",
    "n_incidents", "evidence",
]  # fmt: skip


@dataclass(frozen=True)
class Candidates:
    """Pairs of services that move or fail together although no declared calls lead from one to the other.

    `table`: one row per candidate, surest first. Columns: service and follower (the one whose series is later; at lag 0, or
    from incidents alone, there is no direction), lag_h (hours by which the follower is later), correlation of the residuals
    there, p_series (block permutation), n_hours; together (incidents that name both), expected (by chance), p_incidents,
    n_incidents (that name either); evidence in words. Null where that source says nothing of the pair.
    `tested`: pairs tested, `declared`: pairs left out as the declared graph leads from one to the other.
    """

    table: pd.DataFrame
    text: str
    tested: int
    declared: int


def candidates(
    series: pd.DataFrame,
    edges: pd.DataFrame,
    incident_services: pd.DataFrame | None = None,
    *,
    metric: str,
    zone: str,
    q: float = Q,
    q_incidents: float = Q_INCIDENTS,
    seed: int = 0,
) -> Candidates:
    """Candidate dependencies among the services of `metric` (hourly rows of `series`) that `edges` does not declare.

    Residuals: logarithm of the value over the median of the same hour of the week in `zone`, eight weeks around, made white
    and freed of what many services share. A pair's statistic is its largest correlation within six hours either way, its
    null the same after blocks of two weeks are permuted (`seed`), and Benjamini-Hochberg holds the share of false ones at
    `q`. `incident_services` (rows of that table; drills left out, linked incidents once) adds pairs that incidents name
    together more often than chance (hypergeometric, at `q_incidents`). What a third service explains is left out.
    Raises InputError where the metric is absent, RefusedError with fewer than three services or eight weeks of hours, where
    two points share an hour, or for a running count.
    """
    if not 0 < q < 1 or not 0 < q_incidents < 1:
        raise InputError("The share of false candidates lies between 0 and 1.", remedy="0.05 is usual.")
    hours = comovement.hourly(series, metric)
    names, moving = together(hours, edges, metric=metric, zone=zone, q=q, seed=seed)
    table = combined(moving, edges, incident_services, q_incidents=q_incidents)
    apart = _apart(names, service_graph.reach(service_graph.callees(edges)))
    tested, total = int(np.triu(apart, 1).sum()), len(names) * (len(names) - 1) // 2
    return Candidates(table, _text(table, tested, total - tested, q), tested, total - tested)


def together(
    hours: Mapping[str, comovement.Hourly],
    edges: pd.DataFrame,
    *,
    metric: str,
    zone: str,
    q: float = Q,
    seed: int = 0,
) -> tuple[list[str], pd.DataFrame]:
    """The half of `candidates` that takes seconds: services that were tested, and of the pairs that move together a row

    each, with the columns of `Candidates.table` from service to n_hours."""
    declared = service_graph.callees(edges)
    with threadpool_limits(
        1, user_api="blas"
    ):  # threads would only wait for each other: few services, many hours
        names, residual = comovement.residuals(hours, metric, zone)
        apart = _apart(names, service_graph.reach(declared))
        found = comovement.pairs(residual, apart & ~_siblings(names, declared), apart, q, seed)
    count = residual.shape[1]
    rows = [(names[i], names[j], lag, correlation, p, count) for i, j, lag, correlation, p in found]
    return names, pd.DataFrame(rows, columns=COLUMNS[: COLUMNS.index("n_hours") + 1])


def combined(
    moving: pd.DataFrame,
    edges: pd.DataFrame,
    incident_services: pd.DataFrame | None = None,
    *,
    q_incidents: float = Q_INCIDENTS,
) -> pd.DataFrame:
    """`Candidates.table` from pairs that move together (see `together`) and pairs that incidents name together."""
    declared = service_graph.callees(edges)
    rows: dict[tuple[str, str], dict[str, object]] = {
        _sorted(row["service"], row["follower"]): row for row in moving.to_dict("records")
    }
    failing = []
    if incident_services is not None and len(incident_services):
        failing = coincidence.pairs(incident_services, declared, service_graph.reach(declared), q_incidents)
    for found in failing:
        key = _sorted(found.service, found.other)
        row = rows.setdefault(key, {"service": key[0], "follower": key[1]})
        row |= {
            "together": found.together, "expected": found.expected, "p_incidents": found.p,
            "n_incidents": found.either,
        }  # fmt: skip
    if incident_services is not None:
        _beside(rows, incident_services)
    kept = _unexplained(rows, declared)
    table = pd.DataFrame([{**row, "evidence": _evidence(row)} for row in kept], columns=COLUMNS)
    table = table.astype(
        {"service": "str", "follower": "str", "evidence": "str", "lag_h": "Int64", "n_hours": "Int64"}
        | {"together": "Int64", "n_incidents": "Int64", "correlation": float, "p_series": float}
        | {"expected": float, "p_incidents": float}
    )
    strength = table["correlation"].abs().fillna(0)
    table = table.assign(_s=strength).sort_values(
        ["_s", "together", "service"], ascending=[False, False, True]
    )
    return table.drop(columns="_s").reset_index(drop=True)


def _sorted(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _apart(names: list[str], leads: Mapping[str, frozenset[str]]) -> np.ndarray:
    """Pairs of which neither leads to the other by declared calls."""
    place = {name: i for i, name in enumerate(names)}
    table = ~np.eye(len(names), dtype=bool)
    for name, reached in leads.items():
        for other in reached:
            if name in place and other in place:
                table[place[name], place[other]] = table[place[other], place[name]] = False
    return table


def _siblings(names: list[str], declared: Mapping[str, frozenset[str]]) -> np.ndarray:
    """Pairs that share a declared caller or callee: they move together at the same hour with good reason."""
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)), dtype=bool)
    callers: dict[str, list[str]] = {}
    for caller, callees in declared.items():
        for callee in callees:
            callers.setdefault(callee, []).append(caller)
    for group in (*declared.values(), *callers.values()):
        rows = [place[name] for name in group if name in place]
        table[np.ix_(rows, rows)] = True
    return table


def _beside(rows: dict[tuple[str, str], dict[str, object]], incident_services: pd.DataFrame) -> None:
    """Adds to pairs found by their series how often incidents named both."""
    of = incident_services.groupby("service")["incident_id"].agg(set).to_dict()
    total = incident_services["incident_id"].nunique()
    for (one, other), row in rows.items():
        if "together" not in row:
            a, b = of.get(one, set()), of.get(other, set())
            row |= {
                "together": len(a & b),
                "n_incidents": len(a | b),
                "expected": len(a) * len(b) / max(total, 1),
            }


def _unexplained(
    rows: Mapping[tuple[str, str], dict[str, object]], declared: Mapping[str, frozenset[str]]
) -> list[dict[str, object]]:
    """Candidates without those that a third service explains: a pair found through incidents alone is dropped where one of

    the two is a declared neighbour of a service that shares more incidents with the other; one found through series where
    both are more closely tied to the same third (the weakest side of a triangle)."""
    near: dict[str, set[str]] = {}
    for caller, callees in declared.items():
        for callee in callees:
            near.setdefault(caller, set()).add(callee)
            near.setdefault(callee, set()).add(caller)
    ties: dict[str, dict[str, float]] = {}
    for (one, other), row in rows.items():
        tie = abs(float(str(row.get("correlation", 0.0))))
        ties.setdefault(one, {})[other] = tie
        ties.setdefault(other, {})[one] = tie
    kept = []
    for (one, other), row in rows.items():
        tie = abs(float(str(row.get("correlation", 0.0))))
        if tie:
            thirds = set(ties[one]) & set(ties[other])
            explained = any(min(ties[one][t], ties[other][t]) > tie for t in thirds)
            explained |= any(ties[one][t] > tie and t in near.get(other, set()) for t in ties[one])
            explained |= any(ties[other][t] > tie and t in near.get(one, set()) for t in ties[other])
        else:
            explained = any(
                (t in near.get(b, set())) and _count(rows, a, t) >= _count(rows, a, b)
                for a, b in ((one, other), (other, one))
                for t in ties[a]
                if t != b
            )
        if not explained:
            kept.append(row)
    return kept


def _count(rows: Mapping[tuple[str, str], dict[str, object]], one: str, other: str) -> int:
    found = rows.get(_sorted(one, other), {})
    return int(str(found.get("together", 0))) + (1000 if found.get("correlation") else 0)


def _evidence(row: Mapping[str, object]) -> str:
    says = []
    if "correlation" in row:
        lag = int(str(row["lag_h"]))
        when = f"{lag} h later" if lag else "within the same hour"
        says.append(
            f"{row['follower']} moves with {row['service']} {when} (correlation {float(str(row['correlation'])):+.2f} over "
            f"{int(str(row['n_hours'])):,} hours)"
        )
    if row.get("together"):
        says.append(
            f"{row['together']} of {row['n_incidents']} incidents of either name both, where chance gives "
            f"{float(str(row['expected'])):.1f}"
        )
    return "; ".join(says) + ". Verify by experiment."


def _text(table: pd.DataFrame, tested: int, declared: int, q: float) -> str:
    left = f"{declared:,} pairs were left out because declared calls lead from one to the other."
    if table.empty:
        return f"No candidate among {tested:,} pairs of services. {left}"
    by_series, both = table["correlation"].notna(), table["correlation"].notna() & (table["together"] > 0)
    return (
        f"{len(table)} candidate dependencies among {tested:,} pairs of services: {int(by_series.sum())} move together, "
        f"{int((~by_series).sum())} only fail together, {int(both.sum())} do both. About {100 * q:.0f} % may be chance; "
        f"verify by experiment. {left}"
    )
