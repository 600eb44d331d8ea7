"""Dependencies that nobody has declared: where each was found, and what people have said of it since.

A service that moves under a fault which no declared call leads to is a surprise, and a surprise is a candidate: two
things that move at once need not depend on each other. It stays open until a person confirms or dismisses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from .ledger import EDGES

GAMEDAY = "GameDay"  # origin of what an experiment uncovered


def of_gamedays(surprises: pd.DataFrame) -> pd.DataFrame:
    """Rows of `blast_radius.surprise_edges` with their gameday_id, as service (the target), follower, origin, evidence.

    Where an experiment had several targets nothing says which of them was followed: one row each, saying so.
    """
    targets = surprises.groupby(["gameday_id", "experiment_key"])["target"].transform("nunique")
    rows = []
    for found, count in zip(surprises.itertuples(), targets, strict=True):
        others = f", one of {count} targets" if count > 1 else ""
        where = f"{found.experiment_key} of {found.gameday_id}{others}"
        said = f"{found.metric} moved at {found.moved_at:%H:%M} UTC during {where}"
        rows.append((found.target, found.service, GAMEDAY, said))
    return pd.DataFrame(rows, columns=["service", "follower", "origin", "evidence"])


def decided(found: Sequence[pd.DataFrame], verdicts: pd.DataFrame) -> pd.DataFrame:
    """All that was found, with state: open, confirmed or dismissed. Columns `ledger.EDGES`.

    A verdict counts whichever way round the pair was found, as series and incidents do not say which one follows.
    Confirmed dependencies that no source shows any more stay listed.
    """
    parts = [part for part in found if len(part)]
    columns = ["service", "follower", "origin", "evidence"]
    rows = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    said = {frozenset((v.service, v.follower)): v for v in verdicts.itertuples()}
    pairs = [frozenset(pair) for pair in zip(rows["service"], rows["follower"], strict=True)]
    rows["state"] = [said[pair].verdict if pair in said else "open" for pair in pairs]
    left = [v for pair, v in said.items() if pair not in pairs]
    known = [(v.service, v.follower, "person", _said(v), v.verdict) for v in left]
    rows = pd.concat([rows, pd.DataFrame(known, columns=list(EDGES))], ignore_index=True) if known else rows
    return rows[list(EDGES)].astype("str")


def _said(verdict: Any) -> str:
    why = f": {verdict.reason}" if pd.notna(verdict.reason) else ""
    return f"{verdict.decided_by}, {verdict.decided_at:%Y-%m-%d}{why}"
