"""How often the same incident of two sources is linked, and how often two different ones: planted truth, weights varied.

Reports of the sample are told a second time as a tracker would: other words in the title, later moments, a part of the
services, no id; a third of them is in one source only, and some begin together. Nothing here was used to set the weights.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from resilience import sample, schema
from resilience.analysis import linking
from resilience.sources import reports

WORDS = ("high", "error", "rate", "latency", "alert", "service", "degraded", "users", "spike", "monitor")
KEPT = (0.9, 0.6, 0.3)
"""Chance that a word of the report's title is in the tracker's too."""


def told_again(
    incidents: pd.DataFrame, rng: np.random.Generator, kept: float, services: bool
) -> tuple[pd.DataFrame, set]:
    """The same incidents as rows of another source, and the pairs that are one."""
    rows, pairs = [], set()
    for number, one in enumerate(incidents.to_dict("records")):
        if rng.random() < 1 / 3:
            continue
        title = [w for w in str(one["title"]).split() if rng.random() < kept]
        title += list(rng.choice(WORDS, size=rng.integers(1, 5), replace=False))
        late = pd.Timedelta(minutes=float(rng.lognormal(np.log(6), 1.0)))
        names = [s for s in str(one["services"] or "").split(", ") if s and rng.random() < 0.8]
        detected = one["detected_at"] if pd.notna(one["detected_at"]) else one["started_at"]
        moved = {"started_at": pd.NaT, "detected_at": detected + late, "declared_at": detected + 2 * late}
        about = {"incident_id": f"datadog:{number}", "source": "datadog", "source_uri": "x", "title": " ".join(title),
                 "text": " ".join(title), "services": ", ".join(names) or None if services else None}  # fmt: skip
        rows.append({**one, **moved, **about})
        pairs.add((f"datadog:{number}", one["incident_id"]))
    return schema.frame("incidents", rows), pairs


def score(incidents: pd.DataFrame, kept: float, services: bool, seed: int) -> tuple[int, int, int]:
    """Pairs linked rightly, pairs linked, pairs that are one."""
    other, pairs = told_again(incidents, np.random.default_rng(seed), kept, services)
    both = pd.concat([incidents, other], ignore_index=True)
    found = linking.find(both, schema.frame("incident_names")).table
    linked = {
        tuple(sorted(pair, reverse=True))
        for pair in zip(found["incident_id"], found["other_id"], strict=True)
    }
    return len(linked & {tuple(sorted(pair, reverse=True)) for pair in pairs}), len(linked), len(pairs)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        sample.write(Path(name), seed=2019, size="full", world="base")
        read = reports.read(Path(name) / "data" / "incidents")
    incidents = read.incidents[read.incidents["detected_at"].notna() | read.incidents["started_at"].notna()]
    print(f"links of {len(incidents)} planted incidents, told again by a tracker")
    usual = linking.MIN_SCORE
    for services in (True, False):
        for kept in KEPT:
            line = []
            for linking.MIN_SCORE in (0.5, usual, 0.7, 0.8):
                right, linked, pairs = np.sum(
                    [score(incidents, kept, services, seed) for seed in range(5)], axis=0
                )
                line.append(f"{linking.MIN_SCORE}: {right / max(linked, 1):.3f} {right / pairs:.3f}")
            known = "services known    " if services else "services not known"
            print(
                f"  {known} {kept:.0%} of words kept   precision recall at   {'   '.join(line)}", flush=True
            )
    linking.MIN_SCORE = usual
