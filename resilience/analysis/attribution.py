"""Which service an incident belongs to, and what each incident weighs in each failure class x service cell.

A report lists every service that was touched. Counted in each, one fault at a shared service looks like a fault of
all its callers. So one incident is shared out: to the services that its title names, else to those that no other
touched service is called by (impact travels from callee to caller), else equally. The shares of an incident add up to 1.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from .service_graph import reach

NOT_STATED = "not stated"  # service of incidents whose report names none
PRODUCTION = "production"
# Severity of an incident against the worst; a scale of our own, and a parameter everywhere it is used.
SEVERITY_WEIGHTS = {1: 1.0, 2: 0.5, 3: 0.2, 4: 0.05}
UNSTATED_WEIGHT = 0.2
_NUMBER = re.compile(r"(?<!\d)[1-9](?!\d)")
_WORDS = {"critical": 1, "major": 2, "high": 2, "minor": 3, "medium": 3, "moderate": 3, "low": 4}

TOUCHES = (
    "incident_id", "failure_class", "service", "environment", "weight", "at", "severity_weight", "minutes", "share",
)  # fmt: skip


def severity_rank(stated: pd.Series) -> pd.Series:
    """1 (worst) to 4 from what a report states (SEV1, P2, critical, minor); null where it states nothing usable."""

    def rank(text: object) -> float:
        if not isinstance(text, str):
            return np.nan
        if found := _NUMBER.search(text):
            return float(min(int(found[0]), 4))
        return float(next((n for word, n in _WORDS.items() if word in text.lower()), np.nan))

    known = {text: rank(text) for text in stated.unique()}
    return stated.map(known).astype(float)


def severity_weight(stated: pd.Series, weights: dict[int, float] | None = None) -> pd.Series:
    """Weight of each stated severity; of none, `UNSTATED_WEIGHT`."""
    return severity_rank(stated).map(weights or SEVERITY_WEIGHTS).fillna(UNSTATED_WEIGHT).astype(float)


def environment(stated: pd.Series) -> pd.Series:
    """Environment as a key: production where a report says so or says nothing, else as written in lower case."""
    written = stated.fillna("").str.strip().str.lower()
    usual = written.eq("") | written.str.match(r"(?:prod|live\b)")
    return written.where(~usual, PRODUCTION)


def shares(incidents: pd.DataFrame, graph: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per incident and service that it is shared out to: incident_id, service, share, basis.

    `incidents` needs incident_id, title and services (joined by ', '). `graph` has one row per declared
    call: caller, callee. `basis` is 'only service', 'named in title', 'called by the others', 'equal
    shares' or 'no service stated'. The shares of each incident add up to 1.
    """
    below = _reach(graph)
    rows = []
    given = incidents[["incident_id", "title", "services"]]
    for incident_id, title, listed in given.itertuples(index=False):
        services = sorted(set(listed.split(", "))) if isinstance(listed, str) and listed else []
        chosen, basis = _origin(services, title if isinstance(title, str) else "", below)
        rows += [(incident_id, service, 1 / len(chosen), basis) for service in chosen]
    found = pd.DataFrame(rows, columns=["incident_id", "service", "share", "basis"])
    return found.astype({"incident_id": "str", "service": "str", "share": float, "basis": "str"})


def touches(
    incidents: pd.DataFrame,
    causes: pd.DataFrame,
    shared: pd.DataFrame,
    weights: dict[int, float] | None = None,
) -> pd.DataFrame:
    """One row per incident, class and service with a positive weight; columns `TOUCHES`.

    `causes` holds incident_id and p_<class> columns that add up to 1 (`causes.classify`), `shared` comes from `shares`.
    `weight` is probability of the class x share of the service, so that the weights of each incident add up to 1.
    `minutes` runs from start (else detection) to mitigation (else end); null where one is missing. Incidents without
    any time have a null `at`.
    """
    start = incidents["started_at"].fillna(incidents["detected_at"])
    end = incidents["mitigated_at"].fillna(incidents["resolved_at"])
    minutes = (end - start) / pd.Timedelta(minutes=1)
    at = start
    for moment in ("declared_at", "acknowledged_at", "mitigated_at", "resolved_at"):
        at = at.fillna(incidents[moment])
    about = pd.DataFrame(
        {
            "incident_id": incidents["incident_id"],
            "at": at,
            "environment": environment(incidents["environment"]),
            "severity_weight": severity_weight(incidents["severity"], weights),
            "minutes": minutes.where(minutes > 0),
        }
    )
    columns = [c for c in causes if c.startswith("p_")]
    long = causes.melt("incident_id", columns, "failure_class", "p")
    long = long[long["p"] > 0]
    long["failure_class"] = long["failure_class"].str.removeprefix("p_")
    rows = long.merge(shared, on="incident_id").merge(about, on="incident_id")
    rows["weight"] = rows["p"] * rows["share"]
    return rows[list(TOUCHES)].sort_values(
        ["incident_id", "failure_class", "service"], ignore_index=True, kind="stable"
    )


def _origin(services: list[str], title: str, below: dict[str, set[str]]) -> tuple[list[str], str]:
    if not services:
        return [NOT_STATED], "no service stated"
    if len(services) == 1:
        return services, "only service"
    named = _named(services, title)
    if len(named) == 1:
        return named, "named in title"
    left = named or services
    deepest = [s for s in left if not any(other != s and other in below.get(s, ()) for other in left)]
    if deepest and len(deepest) < len(left):
        return deepest, "called by the others"
    return left, "named in title" if named else "equal shares"


def _named(services: list[str], title: str) -> list[str]:
    """Services that the title names; the longer of two names that overlap, such as cart and gift-cart."""
    low, found = title.lower(), []
    for service in sorted(services, key=len, reverse=True):
        pattern = rf"(?<![\w-]){re.escape(service.lower())}(?![\w-])"
        if re.search(pattern, low):
            found.append(service)
            low = re.sub(pattern, " ", low)
    return sorted(found)


def _reach(graph: pd.DataFrame | None) -> dict[str, set[str]]:
    """Service -> everything that it calls, directly or through others."""
    if graph is None or graph.empty:
        return {}
    calls = graph.groupby("caller")["callee"].agg(frozenset).to_dict()
    return {name: set(called) - {name} for name, called in reach(calls).items()}
