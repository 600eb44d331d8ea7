"""Blast radius: which services moved while a fault was there, and which of them nobody had declared.

A surprise edge is a service that moved although it was neither a target nor joined to one by the declared graph. It
is a candidate: two things that move at once need not depend on each other.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from . import service_graph
from .reach import Reach

COLUMNS = ["experiment_key", "service", "relation", "path", "metric", "at", "earliest", "latest", "after_min"]
SURPRISES = ["experiment_key", "target", "service", "metric", "moved_at"]


@dataclass(frozen=True)
class BlastRadius:
    """`table`: one row per experiment and service that moved, earliest first; columns as `COLUMNS`.

    `relation`: target; declared (joined to a target by the declared graph: `path`); surprise; 'no graph' where
    nothing is declared. `watched`: services that had a series to look at, per experiment; `why`: why none could be judged,
    per experiment of the others. `edges`: how many are declared. `chance`, `apart`: as in `reach.Reach`.
    """

    table: pd.DataFrame
    watched: dict[str, int]
    edges: int
    why: dict[str, str]
    chance: dict[str, float] = field(default_factory=dict)
    apart: tuple[str, ...] = ()

    def surprises(self) -> pd.DataFrame:
        return self.table[self.table["relation"] == "surprise"]

    def text(self, key: str) -> str:
        """What moved in the experiment `key`, with how many were looked at."""
        mine, watched = self.table[self.table["experiment_key"] == key], self.watched.get(key, 0)
        if not watched:
            why = self.why.get(key, "no series of any service was recorded around this fault")
            return f"How far it reached is not measured: {why}."
        count = mine["relation"].value_counts()
        parts = [
            f"{count[name]} {words}"
            for name, words in (
                ("target", "a target"),
                ("declared", "joined to a target by the declared graph"),
                (
                    "surprise",
                    "neither: candidates for an undeclared dependency, to be confirmed by an experiment",
                ),
                ("no graph", "not a target"),
            )
            if name in count
        ]
        missing = (
            ""
            if self.edges
            else " No graph of dependencies is in the store, so what is a surprise is not known."
        )
        told = f" ({'; '.join(parts)})" if parts else ""
        by_chance = (
            f" Without a fault, some service would seem to have moved {self.chance[key]:.0%} of the time."
            if key in self.chance
            else ""
        )
        return f"{len(mine)} of {watched} services with a series moved{told}.{by_chance}{missing}"


def radius(
    experiments: pd.DataFrame,
    targets: pd.DataFrame,
    reached: Reach,
    edges: pd.DataFrame,
) -> BlastRadius:
    """Blast radius of each experiment of one GameDay: rows of its tables, what `reach.reach` found, and `edges`.

    `edges` has the columns of the table service_edges; what is a call is said by `service_graph.calls`.
    """
    graph = _Graph(edges)
    start = experiments.set_index("experiment_key")["fault_started_at"]
    aimed = targets.groupby("experiment_key")["service"].agg(set).to_dict()
    first = reached.moved.sort_values(["experiment_key", "at", "service", "metric"]).drop_duplicates(
        ["experiment_key", "service"]
    )
    rows = []
    for row in first.itertuples():
        mine = aimed.get(row.experiment_key, set())
        path = graph.path(mine, row.service)
        relation = (
            "target"
            if row.service in mine
            else "declared"
            if path
            else "surprise"
            if graph.size
            else "no graph"
        )
        after = (row.at - start[row.experiment_key]) / pd.Timedelta(minutes=1)
        rows.append(
            (
                row.experiment_key,
                row.service,
                relation,
                path,
                row.metric,
                row.at,
                row.earliest,
                row.latest,
                after,
            )
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return BlastRadius(table, reached.watched, graph.size, reached.why, reached.chance, reached.apart)


def surprise_edges(found: BlastRadius, targets: pd.DataFrame) -> pd.DataFrame:
    """Candidates for a dependency that nobody has declared: one row per experiment, target and service that moved with it.

    Columns: experiment_key, target, service, metric, moved_at (UTC). Each is to be confirmed by an experiment.
    """
    moved = found.surprises()[["experiment_key", "service", "metric", "at"]].rename(
        columns={"at": "moved_at"}
    )
    aimed = targets[["experiment_key", "service"]].rename(columns={"service": "target"})
    rows = moved.merge(aimed, on="experiment_key")[SURPRISES]
    rows["moved_at"] = pd.to_datetime(rows["moved_at"], utc=True).astype("datetime64[us, UTC]")
    return rows.sort_values(["experiment_key", "moved_at", "service", "target"], ignore_index=True)


class _Graph:
    """Declared calls. What fails reaches its callers, and what stops calling leaves those it called without load."""

    def __init__(self, edges: pd.DataFrame) -> None:
        self._callers: dict[str, set[str]] = defaultdict(set)
        self._called: dict[str, set[str]] = defaultdict(set)
        calls = service_graph.calls(edges, services_only=False)
        for caller, called in zip(calls["caller"], calls["callee"], strict=True):
            self._callers[called].add(caller)
            self._called[caller].add(called)
        self.size = len(calls)

    def path(self, targets: Iterable[str], service: str) -> str | None:
        """Shortest declared way from a target to `service`, all along callers or all along what is called."""
        ways = (self._walk(sorted(targets), service, self._callers, " is called by "),
                self._walk(sorted(targets), service, self._called, " calls "))  # fmt: skip
        return min((way for way in ways if way), key=len, default=None)

    @staticmethod
    def _walk(targets: list[str], service: str, steps: dict[str, set[str]], word: str) -> str | None:
        came: dict[str, str | None] = dict.fromkeys(targets)
        queue = deque(targets)
        while queue:
            here = queue.popleft()
            if here == service and here not in targets:
                way = [here]
                while (before := came[way[-1]]) is not None:
                    way.append(before)
                return word.join(reversed(way))
            for there in sorted(steps.get(here, ())):
                if there not in came:
                    came[there] = here
                    queue.append(there)
        return None
