"""When did a series first move? Scores point by point, alerts, and the onset around a known time with its interval.

Scores are causal and need no training. An onset is found by a gate of three exceedances in five points, then placed by
least squares as a step or a ramp on noise that may be autocorrelated; what it is given as is an interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d

from ..errors import InputError, RefusedError
from . import baseline, deviation, placing
from .movement import Moved, moved

__all__ = ["Moved", "Onset", "alerts", "find", "moved", "scores"]

THRESHOLD = 0.8  # score of an alert: four times the usual deviation
REFRACTORY_H, REFRACTORY_POINTS = (
    12,
    72,
)  # within which only a larger departure than all others counts as a new one
SIGMAS = 3.0  # gate of one series, in robust standard deviations; searching many needs `moved`
MIN_REFERENCE = 12  # points before the search that are needed to say what is usual
MIN_SEARCH = 6  # intervals after a known time that are searched at least
BEFORE_POINTS, AFTER_POINTS = 60, 60
REFERENCE_POINTS = 120


@dataclass(frozen=True)
class Onset:
    """The first movement of a series. Times are UTC.

    `at`: left edge of the first interval that shows it; `earliest`, `latest`: where the movement can have begun, with
    about 95 % confidence and one interval of the series added on either side. `kind`: 'step' or 'ramp'. `strength`: how
    far it moved, in robust standard deviations of the points before, negative for a fall. `before`, `after`: median value
    before and from the onset to the end of the search, in the unit of the series. `n`: points searched.
    """

    at: pd.Timestamp
    earliest: pd.Timestamp
    latest: pd.Timestamp
    kind: str
    strength: float
    text: str
    before: float
    after: float
    n: int


def scores(values: object, at: object) -> np.ndarray:
    """How surely each point is the onset of a departure, 0 to 1, from earlier points and itself alone.

    `values` in any unit, `at` their times (aware, or naive UTC), of equal length and any spacing. A deviation is taken
    from the level and from the same hour of the week, of the value and of its logarithm where it is positive, each against
    what it usually was within eight weeks; z is the quadratic mean of the four ratios and the score z / (1 + z): .8 is
    four times the usual. Within twelve hours (72 points, where that is longer) of a larger one a score is 0: the onset was
    there. Before 50 deviations are known the score is 0; a value that is null or infinite has none (null).
    Equal times are scored in the order given. Raises InputError where lengths differ or a time is missing.
    """
    value, time, order = _series(values, at)
    found = np.zeros(len(value))
    if len(value) > deviation.MIN_POINTS:
        interval = baseline.interval_us(
            time[: deviation.MIN_POINTS]
        )  # no score comes before these: still causal
        z = deviation.ratios(value, baseline.blocks(value, time, interval))
        window = max(REFRACTORY_POINTS, round(REFRACTORY_H * baseline.HOUR_US / interval))
        found = _novel(z / (1 + z), window)
    found[np.isnan(value)] = np.nan
    if order is not None:
        found[order] = found.copy()
    return found


def alerts(
    values: object, at: object, *, threshold: float = THRESHOLD, refractory_min: float | None = None
) -> pd.DataFrame:
    """Alerts that `scores` would have raised: one row per group of points at or above `threshold`.

    Points no further apart than `refractory_min` minutes (default: twelve hours, or 72 intervals where that is longer)
    belong to one alert. Columns: at (first point, UTC), position (its row), until (last point), score (highest), n (points).
    """
    if not 0 < threshold <= 1:
        raise InputError(f"A threshold of {threshold} is not a score.", remedy="Give one above 0, at most 1.")
    _, time, order = _series(values, at)
    score = scores(values, at)
    if order is not None:
        score = score[order]
    if refractory_min is None:
        usual = baseline.interval_us(time[: deviation.MIN_POINTS]) if len(time) else baseline.HOUR_US
        refractory = max(REFRACTORY_H * baseline.HOUR_US, REFRACTORY_POINTS * usual)
    else:
        refractory = round(refractory_min * 60e6)
    above = np.flatnonzero(np.nan_to_num(score) >= threshold)
    group = np.cumsum(np.r_[True, np.diff(time[above]) > refractory][: len(above)]) - 1
    starts = np.searchsorted(group, np.arange(group[-1] + 1 if len(group) else 0))
    ends = np.r_[starts[1:], len(above)][: len(starts)] - 1
    rows = above[starts] if order is None else order[above[starts]]
    return pd.DataFrame(
        {
            "at": _times(time[above[starts]]),
            "position": rows,
            "until": _times(time[above[ends]]),
            "score": np.maximum.reduceat(score[above], starts) if len(starts) else np.zeros(0),
            "n": ends - starts + 1,
        }
    )


def _times(us: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(us.astype("datetime64[us]"), tz="UTC")


def _series(values: object, at: object) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Values and microseconds in order of time, and the order where they were not."""
    value, time = baseline.values_of(values), baseline.microseconds(at)
    if len(value) != len(time):
        raise InputError(
            f"{len(value)} values and {len(time)} times are not one series.",
            remedy="Give one time per value.",
        )
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        return value[order], time[order], order
    return value, time, None


def _novel(score: np.ndarray, window: int) -> np.ndarray:
    """`score` where it is larger than all of the `window` points before it, else 0."""
    highest = maximum_filter1d(score, window, origin=(window - 1) // 2, mode="constant", cval=-1.0)
    score[1:][score[1:] <= highest[:-1]] = 0.0
    return score


def find(
    values: object,
    at: object,
    around: object,
    *,
    before: pd.Timedelta | None = None,
    after: pd.Timedelta | None = None,
    sigmas: float = SIGMAS,
    slow: float = 0.0,
) -> Onset | None:
    """The first movement of a series within `before` and `after` of the time `around`; None where there is none.

    `values` in any unit, `at` their times (aware, or naive UTC); `around` an aware time, such as a reported start. Searched
    are 60 intervals on either side unless `before` and `after` say otherwise; what is usual is measured by median and MAD
    on up to 120 intervals before that, deviations taken from the hour of the week where three earlier weeks hold it.
    `slow`: standard deviation (unit of the series) of what moves from hour to hour, which a shorter reference cannot show.
    The gate: three of five points beyond `sigmas` on the same side. It is meant for one series: over many, use `moved`.
    Raises RefusedError where fewer than 12 points lie before the search, where a time stands twice, where too little
    lies within it, or for a running count, and InputError as `scores` does.
    """
    value, time, _ = _series(values, at)
    if len(time) == 0:
        raise RefusedError("The series has no points.", remedy="Choose one that was recorded at that time.")
    if (np.diff(time) == 0).any():
        raise RefusedError(
            f"{int((np.diff(time) == 0).sum())} point(s) stand twice at the same time.",
            remedy="Keep one source of the series.",
        )
    if resets := baseline.resets(value):
        raise RefusedError(
            f"The series only rises, and falls to nothing {resets} time(s): a running count.",
            remedy=baseline.TAKE_RATE,
        )
    interval = baseline.interval_us(time)
    middle = int(baseline.microseconds([pd.Timestamp(around)])[0])
    start = middle - (BEFORE_POINTS * interval if before is None else _us(before))
    end = middle + (AFTER_POINTS * interval if after is None else _us(after))
    residual = baseline.deseasoned(value, time, interval)
    first, last = np.searchsorted(time, [start, end])
    known_before = np.flatnonzero(~np.isnan(residual[:first]))[-REFERENCE_POINTS:]
    known_before = known_before[time[known_before] >= start - 3 * REFERENCE_POINTS * interval]
    if len(known_before) < MIN_REFERENCE:
        raise RefusedError(
            f"{len(known_before)} known point(s) before the search are too few to say what is usual.",
            remedy=f"Give at least {MIN_REFERENCE} points before it, or search less far back.",
        )
    inside = slice(int(first), int(last))
    searched = residual[inside]
    n = int((~np.isnan(searched)).sum())
    if n < placing.OF:
        raise RefusedError(
            f"{n} known point(s) around {pd.Timestamp(around):%Y-%m-%d %H:%M} are too few to find an onset.",
            remedy="Choose a series that was recorded then.",
        )
    reference = residual[known_before]
    centre, spread = placing.usual(reference)
    spread = float(np.hypot(spread, slow))
    z = (searched - centre) / spread
    gate = placing.gated(z, sigmas)
    if gate is None:
        return None
    return _placed(gate, residual, value, time, inside, known_before, centre, spread, interval)


def _us(span: pd.Timedelta) -> int:
    return int(pd.Timedelta(span) / pd.Timedelta(microseconds=1))


def _placed(
    gate: int,
    residual: np.ndarray,
    value: np.ndarray,
    time: np.ndarray,
    inside: slice,
    reference: np.ndarray,
    centre: float,
    spread: float,
    interval: int,
) -> Onset:
    """Onset from the gate: placed on the points before and after it."""
    z = (residual[inside] - centre) / spread
    fit = placing.place(z, gate, (residual[reference] - centre) / spread)
    at = time[inside][[fit.first, fit.low, fit.high]]
    found = Onset(
        pd.Timestamp(at[0], unit="us", tz="UTC").as_unit("us"),
        pd.Timestamp(at[1] - interval, unit="us", tz="UTC").as_unit("us"),
        pd.Timestamp(at[2] + interval, unit="us", tz="UTC").as_unit("us"),
        fit.kind,
        fit.height,
        "",
        float(np.nanmedian(value[reference])),
        float(np.nanmedian(value[inside][fit.first :])),
        int((~np.isnan(z)).sum()),
    )
    return replace(found, text=_text(found, interval, int(np.isnan(z).sum())))


def _text(found: Onset, interval: int, missing: int) -> str:
    way = "rose" if found.strength > 0 else "fell"
    how = "at once" if found.kind == "step" else "gradually"
    says = (
        f"It {way} {how} from {found.at:%Y-%m-%d %H:%M} UTC (between {found.earliest:%H:%M} and {found.latest:%H:%M}, one "
        f"interval of {interval / 6e7:g} min on either side included), by {abs(found.strength):.1f} times its usual spread: "
        f"{found.before:.4g} before, {found.after:.4g} after."
    )
    return says + (f" {missing} of {found.n + missing} points are missing." if missing else "")
