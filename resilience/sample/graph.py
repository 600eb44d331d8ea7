"""Who depends on whom: the declared calls, and dependencies that nobody has declared."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .marketplace import Service

_WHY = (
    "both run on the same database host",
    "both leave through the same NAT gateway",
    "the follower reads files that the other exports",
    "both wait for the same lock in a shared cache",
    "the follower polls a table of the other",
)


@dataclass(frozen=True)
class HiddenEdge:
    """`follower` moves with `service`, `lag_h` hours later, though neither reaches the other by declared calls.

    `sigma`: standard deviation of the shared movement on the log scale of traffic. `share`: of the incidents that
    begin at `service`, this share reaches `follower`.
    """

    service: str
    follower: str
    lag_h: int
    sigma: float
    share: float
    why: str


def reach(known: Iterable[Service]) -> dict[str, frozenset[str]]:
    """Service -> everything that it calls, directly or through others."""
    calls = {s.name: s.calls for s in known}
    found: dict[str, frozenset[str]] = {}
    for name in calls:
        seen: set[str] = set()
        todo = list(calls[name])
        while todo:
            callee = todo.pop()
            if callee not in seen:
                seen.add(callee)
                todo += calls[callee]
        found[name] = frozenset(seen)
    return found


def hidden(
    rng: np.random.Generator, known: tuple[Service, ...], failures: Mapping[str, int], count: int
) -> tuple[HiddenEdge, ...]:
    """`count` edges; each service is in one at most. `failures`: how many reported incidents begin at a service.

    An edge begins where at least two do, so that incidents can show it.
    """
    reached = reach(known)
    free = {s.name for s in known}
    edges: list[HiddenEdge] = []
    able = [s.name for s in known if failures.get(s.name, 0) >= 2]
    for source in rng.permutation(able).tolist():
        if len(edges) == count:
            break
        apart = sorted(n for n in free - {source} if n not in reached[source] and source not in reached[n])
        if source in free and apart:
            follower = apart[int(rng.integers(len(apart)))]
            free -= {source, follower}
            edges.append(
                HiddenEdge(
                    source,
                    follower,
                    int(rng.integers(1, 5)),
                    round(float(rng.uniform(0.025, 0.06)), 4),
                    0.7,
                    _WHY[int(rng.integers(len(_WHY)))],
                )
            )
    return tuple(sorted(edges, key=lambda e: (e.service, e.follower)))


def callers_share(known: tuple[Service, ...]) -> np.ndarray:
    """(services, services): row = callee, each of its callers with an equal share, rows add up to 1 or 0."""
    row = {s.name: i for i, s in enumerate(known)}
    table = np.zeros((len(known), len(known)))
    for s in known:
        for callee in s.calls:
            table[row[callee], row[s.name]] = 1.0
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1.0)


def write(folder: Path, known: tuple[Service, ...]) -> None:
    """services.csv and edges.csv under `folder`: what is declared, and nothing else."""
    rows = [{"service": s.name, "team": s.team, "criticality": s.tier, "kind": s.kind} for s in known]
    table(folder / "services.csv", rows)
    table(
        folder / "edges.csv",
        [{"caller": s.name, "callee": callee, "declared_in": "catalog"} for s in known for callee in s.calls],
    )


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes `rows`, all with the columns of the first, as CSV in UTF-8 with \\n."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue().encode())
