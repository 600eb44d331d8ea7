"""Exported probes against the simulated marketplace: its ordinary minutes, and the faults that were planted in it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from resilience import evidence, planning
from resilience.analysis import probing
from resilience.store import Store

MONTHS = 6  # after the cut: limits are made before it, windows lie after it
BOX = pd.Timedelta(minutes=20)


def trial(space: Path) -> probing.Trial:
    """Probes of the last `MONTHS` months of the sample in the workspace `space`, ordinary by what truly happened.

    The store alone calls minutes ordinary of which the truth knows an incident: nobody wrote it down, or its start was
    written down late.
    """
    store = Store(space / "data/store").pinned()
    since = evidence.latest(store) - pd.DateOffset(months=MONTHS)
    found = planning.try_probes(store, since, "Europe/Berlin", 20.0, 5, lambda step: None)
    known = json.loads((space / "data" / "truth.json").read_text(encoding="utf-8"))
    spans: dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for incident in [*known["incidents"], *known["unwritten"]]:
        end = pd.Timestamp(incident["mitigated"] or known["to"])
        for service in incident["services"]:
            spans.setdefault(service, []).append((pd.Timestamp(incident["started"]), end))
    wrong = [
        row.kind == probing.ORDINARY
        and any(a < row.ends_at and b > row.ends_at - BOX for a, b in spans.get(row.service, []))
        for row in found.tried.itertuples()
    ]
    return probing.trial(
        found.tried[[not w for w in wrong]],
        [f"{sum(wrong)} window(s) that reports call ordinary were none and are left out."],
    )


def shares(found: probing.Trial) -> dict[str, float]:
    """Kind of window -> share that did as it should, printed with n and interval."""
    print(f"\n{found.text}\n{found.table.round(3).to_string(index=False)}")
    return dict(zip(found.table["windows"], found.table["as_it_should"], strict=True))
