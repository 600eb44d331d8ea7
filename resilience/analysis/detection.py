"""Did people notice real incidents sooner after a GameDay than before it? After, which is not because of it."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from . import claims

CLOCK = "detect"


class Detection(NamedTuple):
    """Verdict of the comparison (`claims`), whether time to detect got shorter, in one sentence, and in all of them."""

    verdict: str
    better: bool
    short: str
    text: str


def around(incidents: pd.DataFrame, onsets: pd.DataFrame, held_on: pd.Timestamp) -> Detection | None:
    """Time to detect of real incidents begun up to the day `held_on` (UTC) against later ones; None without any.

    `incidents`: rows of that table, linked ones once; `onsets`: when their series first moved (`anchors.of_incidents`).
    What people wrote down as the start is not compared: they may have learnt to write it down earlier.
    """
    if incidents.empty:
        return None
    before, after, _ = claims.split(incidents, claims.after(held_on))
    found = claims.compare(before, after, CLOCK, onsets=onsets)
    better = found.verdict == claims.SUPPORTED and found.effect < 1
    if found.verdict == claims.NOT_MEASURABLE:
        return Detection(found.verdict, False, f"Not measurable: {found.reason}.", found.text)
    n = found.table.iloc[0]
    short = (
        f"Real incidents were detected in a time {claims.percent(found.effect)} after it, like for like (95 % interval "
        f"{claims.percent(found.interval.low)} to {claims.percent(found.interval.high)}; {n['n_before']} before, "
        f"{n['n_after']} after): {found.verdict}."
    )
    return Detection(found.verdict, better, short, found.text)
