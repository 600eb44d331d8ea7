"""Where to look: an XmR chart of single durations. A signal is a question to a report, never a claim about a trend.

Wheeler and Chambers (1992), Understanding Statistical Process Control; on logs, because durations are skewed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import reporting
from .clocks import FLOOR_MIN, MIN_N, Clock, clock_of, durations, minutes, refuse_pooling

_RANGE = 2.66  # 3 / d2, d2 = 1.128 for moving ranges of two
_RUN = 8  # in a row on one side of the centre line
BEYOND, RUN = "beyond the limits", f"{_RUN} in a row on one side"


@dataclass(frozen=True)
class Signals:
    """`table`: one row per dated duration in order of time: incident_id, began, minutes, signal (or null). `centre`,
    `low`, `high`: natural limits in minutes, null under ten durations. `text`: where to look."""

    table: pd.DataFrame
    centre: float
    low: float
    high: float
    clock: Clock
    text: str


def xmr(incidents: pd.DataFrame, clock: str) -> Signals:
    """Natural process limits of log durations from their moving ranges, and what lies outside or runs on one side.

    Raises RefusedError where kinds or styles would be pooled, InputError for an unknown clock.
    """
    which = clock_of(clock)
    refuse_pooling(incidents, which, [])
    table = pd.DataFrame(
        {
            "incident_id": incidents["incident_id"],
            "began": reporting.begun(incidents),
            "minutes": durations(incidents, clock)["minutes"],
        }
    )
    table = table.dropna().sort_values(["began", "incident_id"], ignore_index=True)
    table["signal"] = pd.Series(None, index=table.index, dtype="str")
    n = len(table)
    if n < MIN_N:
        text = f"{n} dated durations: fewer than {MIN_N} say nothing of what is usual, so nothing stands out."
        return Signals(table, np.nan, np.nan, np.nan, which, text)
    logs = np.log(table["minutes"].clip(lower=FLOOR_MIN)).to_numpy()
    centre, reach = logs.mean(), _RANGE * np.abs(np.diff(logs)).mean()
    side = np.sign(logs - centre)
    starts = np.flatnonzero(np.diff(side, prepend=np.nan) != 0)
    length = np.diff(np.append(starts, n))
    in_run = np.repeat((length >= _RUN) & (side[starts] != 0), length)
    beyond = np.abs(logs - centre) > reach
    table["signal"] = pd.Series(
        np.select([beyond, in_run], [BEYOND, RUN], ""), index=table.index, dtype="str"
    ).replace("", None)
    low, middle, high = np.exp([centre - reach, centre, centre + reach])
    text = (
        f"Look here: {int(beyond.sum())} of {n} durations lie outside {minutes(low)} to {minutes(high)}, the natural limits "
        f"of this history, and {int((in_run & ~beyond).sum())} belong to {_RUN} or more in a row on one side of the centre "
        f"({minutes(middle)}). A signal asks to read a report; it is not a trend."
    )
    return Signals(table, float(middle), float(low), float(high), which, text)
