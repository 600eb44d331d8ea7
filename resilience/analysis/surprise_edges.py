"""Dependencies that nobody has declared: where each was found, and what people have said of it since.

A service that moves under a fault which no declared call leads to is a surprise, and a surprise is a candidate: two
things that move at once need not depend on each other. It stays open until a person confirms or dismisses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from .blast_radius import BlastRadius
from .ledger import EDGES

GAMEDAY = "GameDay"  # origin of what an experiment uncovered


def of_gameday(radius: BlastRadius, targets: pd.DataFrame, gameday_id: str) -> pd.DataFrame:
    """Surprises of one GameDay: service (a target of the experiment), follower (what moved), origin, evidence.

    Where an experiment had several targets nothing says which of them was followed: one row each, saying so.
    """
    rows = []
    for found in radius.surprises().itertuples():
        mine = sorted(targets.loc[targets["experiment_key"] == found.experiment_key, "service"])
        others = f", one of {len(mine)} targets" if len(mine) > 1 else ""
        for target in mine:
            said = (
                f"moved {found.after_min:.0f} min after the fault of {found.experiment_key} in {gameday_id} "
                f"({found.metric}){others}"
            )
            rows.append((target, found.service, GAMEDAY, said))
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
