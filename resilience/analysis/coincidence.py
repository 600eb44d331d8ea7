"""Services that incidents name together more often than chance and declared calls would have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scipy  # its parts are loaded when first used: statistics take most of a second

MIN_TOGETHER = 2  # incidents: one shared incident is an anecdote
MAX_SERVICES = 12  # an incident that names more is about everything, and says nothing of a pair


@dataclass(frozen=True)
class Pair:
    """Two services named by `together` incidents, where chance gives `expected`; `either`: incidents that name one."""

    service: str
    other: str
    together: int
    expected: float
    either: int
    p: float


def pairs(
    incident_services: pd.DataFrame,
    declared: Mapping[str, frozenset[str]],
    leads: Mapping[str, frozenset[str]],
    q: float,
) -> list[Pair]:
    """Pairs at a false-discovery rate of `q`, hypergeometric, over all pairs of services that incidents name.

    Pairs are left out where declared calls lead from one to the other, and where both call, or are called by, the same
    service: its failure takes both along.
    """
    rows = incident_services[["incident_id", "service"]].drop_duplicates()
    size = rows.groupby("incident_id")["service"].transform("size")
    rows = rows[size <= MAX_SERVICES]
    total, of = rows["incident_id"].nunique(), rows.groupby("service")["incident_id"].agg(set).to_dict()
    names = sorted(of)
    related = _related(names, declared, leads)
    shared = Counter(
        pair for _, group in rows.groupby("incident_id")["service"] for pair in combinations(sorted(group), 2)
    )
    found, tested = [], len(names) * (len(names) - 1) // 2 - len(related)
    for (one, other), together in sorted(shared.items()):
        if together < MIN_TOGETHER or (one, other) in related:
            continue
        a, b = len(of[one]), len(of[other])
        p = float(scipy.stats.hypergeom.sf(together - 1, total, a, b))
        found.append(Pair(one, other, together, a * b / total, len(of[one] | of[other]), p))
    found.sort(key=lambda pair: pair.p)
    limit = q * np.arange(1, len(found) + 1) / max(tested, 1)
    passed = [i for i, pair in enumerate(found) if pair.p <= limit[i]]
    return found[: passed[-1] + 1] if passed else []


def _related(
    names: list[str], declared: Mapping[str, frozenset[str]], leads: Mapping[str, frozenset[str]]
) -> set[tuple[str, str]]:
    """Pairs, in order of name, that declared calls relate."""
    known = set(names)
    callers: dict[str, set[str]] = {}
    for caller, reached in leads.items():
        for callee in reached:
            callers.setdefault(callee, set()).add(caller)
    groups = [set(callees) for callees in declared.values()] + list(callers.values())
    found = {pair for group in groups for pair in combinations(sorted(group & known), 2)}
    return found | {
        (min(a, b), max(a, b)) for a, reached in leads.items() for b in reached if a in known and b in known
    }
