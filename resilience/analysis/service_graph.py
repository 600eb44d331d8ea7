"""Who calls whom, as it is declared: relations of a catalog, traces, deployment files and CSVs say it in the same table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

FORWARD = ("calls", "dependson", "uses")
BACKWARD = ("calledby", "dependencyof", "usedby")


def calls(edges: pd.DataFrame, *, services_only: bool = True) -> pd.DataFrame:
    """Columns caller and callee, each pair once and in order, from rows of `service_edges` in which one needs the other.

    Relations are read in either direction, without case, blanks, hyphens or Datadog's `RelationType`. Those that say who
    owns, holds or implements what are no calls. Without `services_only`, what is called may be a datastore or an API too.
    """
    relation = edges["relation"].astype("str").str.lower().str.replace(r"[\s_-]|relationtype", "", regex=True)
    taken = relation.isin([*FORWARD, *BACKWARD])
    if services_only:
        taken &= (edges["from_kind"] == "service") & (edges["to_kind"] == "service")
    rows, turned = edges[taken], relation[taken].isin(BACKWARD)
    found = pd.DataFrame(
        {
            "caller": rows["from_name"].mask(turned, rows["to_name"]),
            "callee": rows["to_name"].mask(turned, rows["from_name"]),
        }
    )
    return found.drop_duplicates().sort_values(["caller", "callee"], ignore_index=True)


def callees(edges: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Caller -> callees: `calls` between services as a mapping."""
    by_caller = calls(edges).groupby("caller", sort=True)["callee"]
    return {str(caller): frozenset(found) for caller, found in by_caller}


def reach(declared: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Service -> everything that it calls, directly or through others; circles are allowed."""
    found = {}
    for name in declared:
        seen: set[str] = set()
        todo = list(declared[name])
        while todo:
            callee = todo.pop()
            if callee not in seen:
                seen.add(callee)
                todo += declared.get(callee, frozenset())
        found[name] = frozenset(seen)
    return found
