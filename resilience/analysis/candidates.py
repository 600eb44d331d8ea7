"""What could be rehearsed next: every cell x feasible fault, and every dependency nobody has declared, with its score.

score = expected loss x chance that it would not hold x what a test would teach. The parts stand beside it, and so does
the FMEA risk priority number, which many teams know, as a comparison only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .attribution import NOT_STATED, PRODUCTION
from .faults import Fault
from .ledger import Ledger
from .taxonomy import UNKNOWN

FOLLOWS = 0.5  # chance that a failure crosses a dependency that was found but never tested
EDGE = "dependency"  # kind of a candidate that tests one
FIT = (1.0, 0.8, 0.65, 0.5)  # how well a fault rehearses the first, second, ... class that it names


def candidates(ledger: Ledger, faults: Sequence[Fault], reach: pd.DataFrame) -> pd.DataFrame:
    """One row per candidate, best score first.

    kind ('cell' or 'dependency'), fault, failure_class, service, follower (of a dependency), state, n,
    rate, loss, hold_mean, teach, fit, score, rpn (FMEA: severity x occurrence x detection, 1 to 10 each),
    blast (services that call the target, directly or not), row (place in the ledger's table, -1 for
    dependencies), and what the constraints need. `reach`: service, callers (all that call it, directly or
    not).
    """
    table = ledger.table
    usable = (
        (table["failure_class"] != UNKNOWN)
        & (table["service"] != NOT_STATED)
        & (table["environment"] == PRODUCTION)
    )
    cells = table[usable].assign(row=np.flatnonzero(usable), kind="cell", follower="")
    by_class = pd.DataFrame(
        [
            (name, fault.key, FIT[min(place, len(FIT) - 1)])
            for fault in faults
            for place, name in enumerate(fault.classes)
        ],
        columns=["failure_class", "fault", "fit"],
    )
    rows = cells.merge(by_class, on="failure_class", how="left")
    rows["fit"] = rows["fit"].fillna(0.0)
    edges = _edges(ledger, cells)
    rows = pd.concat([rows, edges], ignore_index=True) if len(edges) else rows
    rows["score"] = rows["loss"] * (1 - rows["hold_mean"]) * rows["teach"] * rows["fit"]
    # of two faults for one cell the better fit stands first, also where both scores are nought
    rows["blast"] = rows["service"].map(reach.set_index("service")["callers"]).fillna(0).astype(int)
    rows["rpn"] = fmea(rows)
    order = np.lexsort(
        (rows["fault"].fillna(""), rows["service"], rows["failure_class"], -rows["fit"], -rows["score"])
    )
    return rows.iloc[order].reset_index(drop=True)


def _edges(ledger: Ledger, cells: pd.DataFrame) -> pd.DataFrame:
    """A candidate per open dependency: slow down the service, watch the follower."""
    open_ = ledger.edges[ledger.edges["state"] == "open"]
    if open_.empty or cells.empty:
        return pd.DataFrame()
    per_service = (
        cells.assign(_n=cells["n"])
        .groupby("service")
        .agg(n=("_n", "sum"), rate=("rate", "sum"), loss=("loss", "sum"), severity=("severity", "mean"))
    )
    rows = []
    for (service, follower), found in open_.groupby(["service", "follower"], sort=True):
        if service not in per_service.index:
            continue
        about = per_service.loc[service]
        weight = per_service["severity"].get(follower, about["severity"]) / about["severity"]
        rows.append(
            {
                "kind": EDGE, "fault": "dependency-slow", "failure_class": EDGE, "service": service, "follower": follower,
                "environment": PRODUCTION, "state": "dependency found, not verified",
                "state_why": "; ".join(dict.fromkeys(found["evidence"].astype(str))), "n": about["n"],
                "rate": about["rate"] * FOLLOWS, "loss": about["loss"] * FOLLOWS * weight, "severity": about["severity"],
                "hold_mean": 0.5, "teach": 1.0, "fit": 1.0, "row": -1, "runs": 0, "open_actions": 0, "last_verdict": None,
                "note": "", "real_detect_min": np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def fmea(rows: pd.DataFrame) -> np.ndarray:
    """Risk priority number, severity x occurrence x detection, each a whole number from 1 to 10.

    A comparison, not our ranking: multiplied ordinal scales have no unit, and equal products hide different risks
    (Bowles 2003, Annual Reliability and Maintainability Symposium, 380-386).
    """
    severity = np.clip(np.ceil(10 * rows["severity"].to_numpy(dtype=float)), 1, 10)
    # a tenth of an incident a year or fewer is 1, ten or more are 10
    occurrence = np.clip(
        np.round(5.5 + 4.5 * np.log10(np.maximum(rows["rate"].to_numpy(dtype=float), 1e-3))), 1, 10
    )
    minutes = rows["real_detect_min"].to_numpy(dtype=float)
    detection = np.clip(np.round(1 + 3 * np.log10(np.maximum(minutes, 1.0))), 1, 10)
    detection = np.where(np.isfinite(minutes), detection, 5)
    found: np.ndarray = (severity * occurrence * detection).astype(int)
    return found


def asked(row: Any) -> str:
    """What a candidate is about, in words: a cell, or the question whether there is a dependency."""
    if row.kind == EDGE:
        return f"does {row.follower} depend on {row.service}?"
    return f"{row.failure_class} at {row.service}"


def called_by(blast: int) -> str:
    """How far a fault could reach, in words."""
    if not blast:
        return "no declared call leads to it"
    return f"{blast} service{'s call' if blast > 1 else ' calls'} it, directly or not"


def reaches(graph: pd.DataFrame | None, services: Sequence[str]) -> pd.DataFrame:
    """Per service: how many call it, directly or through others (`callers`), from a frame of caller and callee."""
    of: dict[str, set[str]] = {}
    if graph is not None and not graph.empty:
        of = graph.groupby("callee")["caller"].agg(set).to_dict()
    counts = []
    for name in services:
        seen: set[str] = set()
        todo = list(of.get(name, ()))
        while todo:
            caller = todo.pop()
            if caller not in seen:
                seen.add(caller)
                todo += of.get(caller, ())
        counts.append(len(seen - {name}))
    return pd.DataFrame({"service": list(services), "callers": counts})
