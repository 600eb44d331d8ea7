"""Two years of incidents with known truth: worlds in which nothing changed but how it is seen, and one where it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FIRST = pd.Timestamp("2019-06-01", tz="UTC")
CHANGE = pd.Timestamp("2020-10-01", tz="UTC")
DAYS = 730
_SEVERITY = np.array(["SEV1", "SEV2", "SEV3", "SEV4"])
_FOUND = np.array(["monitor", "colleague", "customer"])
_DETECT = np.log([5.0, 26.0, 60.0])


def history(
    seed: int,
    n: int = 240,
    *,
    sigma: float = 1.2,
    spread_after: float = 1.0,
    correlation: float = 0.0,
    capture: tuple[float, float] = (1.0, 1.0),
    late: tuple[float, float] = (0.0, 0.0),
    detect: float = 1.0,
    restore: float = 1.0,
    severity: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Incidents and their true onsets. Pairs hold before and after CHANGE.

    `spread_after`: factor on the spread of logs; `correlation` of one incident's log time with the next; `capture`: share
    of minor ones (SEV4, half as long) that are reported; `late`: share whose recorded start is 30 to 90 % of the true time
    to detect too late; `detect`, `restore`: true factors on what follows CHANGE.
    """
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, DAYS, n))
    after = day >= (CHANGE - FIRST).days
    level = rng.choice(4, n, p=[0.05, 0.2, 0.45, 0.3])
    who = rng.choice(3, n, p=[0.56, 0.24, 0.2])
    noise = rng.standard_normal(n)
    for i in range(1, n) if correlation else ():
        noise[i] = correlation * noise[i - 1] + (1 - correlation**2) ** 0.5 * noise[i]
    spread = sigma * np.where(after, spread_after, 1.0)
    found = np.exp(_DETECT[who] + 1.3 * rng.standard_normal(n)) * np.where(after, detect, 1.0)
    rest = (
        np.exp(np.log(60.0) + spread * noise) * np.where(level == 3, 0.5, 1.0) * np.where(after, restore, 1.0)
    )
    shift = found * rng.uniform(0.3, 0.9, n) * (rng.random(n) < np.where(after, late[1], late[0]))
    kept = (level < 3) | (rng.random(n) < np.where(after, capture[1], capture[0]))
    onset = FIRST + pd.to_timedelta(day, unit="D")

    def moment(minutes: Any) -> Any:
        return (onset + pd.to_timedelta(minutes, unit="min")).as_unit("us")

    table = pd.DataFrame(
        {
            "incident_id": [f"i{i:04d}" for i in range(n)],
            "title": "t",
            "kind": "real",
            "severity": pd.array(_SEVERITY[level] if severity else [None] * n, dtype="str"),
            "detected_by": _FOUND[who],
            "started_at": moment(shift),
            "detected_at": moment(found),
            "mitigated_at": moment(found + rest),
            "resolved_at": moment(found + rest * 1.5),
            "text": "t",
            "simulated": True,
            "source": "t",
            "source_uri": "t",
        }
    )
    onsets = pd.DataFrame({"incident_id": table["incident_id"], "onset": onset.as_unit("us")})
    onsets["earliest"], onsets["latest"] = (
        onsets["onset"] - pd.Timedelta("2min"),
        onsets["onset"] + pd.Timedelta("2min"),
    )
    return table[kept].reset_index(drop=True), onsets[kept].reset_index(drop=True)
