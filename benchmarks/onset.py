"""Onset scores against a plain rolling z-score. The ratio that is asked for is at least .3: a third of its speed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.pairs import compare
from resilience.analysis import onset

HOUR_POINTS = 60


def main() -> None:
    for every, points in (("1min", 730 * 1440), ("5min", 730 * 288), ("1h", 730 * 24)):
        at = pd.date_range("2022-01-03", periods=points, freq=every, tz="UTC").as_unit("us")
        values = np.random.default_rng(1).gamma(4, 25, points)

        def rolling(values: np.ndarray = values) -> np.ndarray:
            series = pd.Series(values)
            window = series.rolling(HOUR_POINTS)
            return np.asarray(((series - window.mean()) / window.std()).abs())

        def ours(values: np.ndarray = values, at: pd.DatetimeIndex = at) -> np.ndarray:
            return onset.scores(values, at)

        compare(f"onset scores, {points:,} points at {every}", ours, rolling, "rolling z-score")


if __name__ == "__main__":
    main()
