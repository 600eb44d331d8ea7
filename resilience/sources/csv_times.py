"""Times of a CSV: text to microseconds UTC, the step between them, and the left edge of their interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from .points import EPOCH_FIRST, EPOCH_LAST
from .series_mapping import TimeColumn

# Of the steps between points, at least REGULAR must lie within NEAR of a whole multiple of the median step.
REGULAR, NEAR = 0.95, 0.05
_OFFSET = r"[Tt ][0-9:.,]+ ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"


@dataclass(frozen=True)
class Times:
    """`micros` since 1970 in UTC (0 where unusable) and three masks of rows that are not usable."""

    micros: np.ndarray
    unreadable: np.ndarray
    twice: np.ndarray
    never: np.ndarray


def read_times(text: pa.Array, how: TimeColumn, where: str) -> Times:
    """Times of trimmed cells. A local time that occurs twice or never, at a clock change, is not guessed.

    Raises InputError: no zone where cells carry no offset, or milliseconds read as seconds.
    """
    if how.until is not None:
        text = pc.list_element(pc.split_pattern(text, how.until, max_splits=1), 0)
    if how.format in ("unix_s", "unix_ms"):
        return _unix(text, how.format, where)
    if how.format == "iso":
        aware = pc.match_substring_regex(text, _OFFSET).to_numpy(False)
        text = pc.replace_substring_regex(text, r" ([+-][0-9:]+)$", r"\1")
    else:
        aware = np.full(len(text), "%z" in how.format)
    cells = text.to_pandas().astype("str")
    if how.zone is None and not aware.all() and not (cells[~aware] == "").all():
        first = str(cells[~aware & (cells != "").to_numpy()].iloc[0])
        raise InputError(
            f"The times carry no offset, first {first[:60]!r}.",
            where=where,
            remedy="State time.zone in the mapping file, e.g. Europe/Berlin or UTC.",
        )
    layout = "ISO8601" if how.format == "iso" else how.format
    at = np.zeros(len(cells), np.int64)
    bad, twice, never = (np.zeros(len(cells), bool) for _ in range(3))
    if aware.any():
        parsed = pd.DatetimeIndex(pd.to_datetime(cells[aware], format=layout, errors="coerce", utc=True))
        at[aware], bad[aware] = parsed.as_unit("us").asi8, np.array(parsed.isna())
    if how.zone is not None and not aware.all():
        naive = pd.DatetimeIndex(pd.to_datetime(cells[~aware], format=layout, errors="coerce"))
        summer, winter = (
            naive.tz_localize(how.zone, ambiguous=np.full(len(naive), dst), nonexistent="NaT")
            for dst in (True, False)
        )
        at[~aware], bad[~aware] = summer.as_unit("us").asi8, np.array(naive.isna())
        never[~aware] = np.array(summer.isna()) & np.array(naive.notna())
        twice[~aware] = np.array(summer.notna()) & np.array(summer != winter)
    bad |= ((at < EPOCH_FIRST) | (at > EPOCH_LAST)) & ~twice & ~never
    return Times(np.where(bad | twice | never, 0, at), bad, twice, never)


def _unix(text: pa.Array, unit: str, where: str) -> Times:
    number = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    at = number * (1_000_000 if unit == "unix_s" else 1_000)
    if unit == "unix_s" and np.isfinite(at).any() and np.nanmin(at) / 1_000 > EPOCH_FIRST:
        raise InputError(
            "The times are milliseconds, not seconds.",
            where=where,
            remedy="Set time.format to unix_ms in the mapping file.",
        )
    with np.errstate(invalid="ignore"):
        bad = ~((at >= EPOCH_FIRST) & (at <= EPOCH_LAST))
    none = np.zeros(len(at), bool)
    return Times(np.where(bad, 0, at).round().astype(np.int64), bad, none, none)


def interval_of(at: np.ndarray, stated: float | str, name: str, where: str) -> float | None:
    """Seconds between points of one series; None where `stated` is 'auto' and fewer than 3 times tell.

    Raises InputError where 'auto' meets irregular times, or where points lie much closer than the stated interval.
    """
    times = np.unique(at)
    if len(times) < 3:
        return None if stated == "auto" else float(stated)
    steps = np.diff(times) / 1e6
    middle = float(np.median(steps))
    if stated != "auto":
        if middle < 0.5 * float(stated):
            raise InputError(
                f"{name}: points lie {middle:g} s apart, but the mapping says {float(stated):g} s.",
                where=where,
                remedy="Correct interval in the mapping file, or name the tag column that tells series apart.",
            )
        return float(stated)
    interval = float(round(middle)) if middle >= 2 else round(middle, 3)
    multiple = np.maximum(np.round(steps / interval), 1)
    regular = float((np.abs(steps - multiple * interval) <= NEAR * interval).mean())
    if regular < REGULAR:
        raise InputError(
            f"{name}: {100 * (1 - regular):.0f} % of the steps do not fit the median step of {interval:g} s.",
            where=where,
            remedy="State interval in seconds in the mapping file, or export at a regular step.",
        )
    return interval


def align(at: np.ndarray, interval_s: float) -> np.ndarray:
    """Left edges on the grid of whole intervals since 1970.

    Times are first drawn to their own regular beat (the median offset), so that jitter around an edge makes neither
    a gap nor a double; then the beat moves down to the edge, by less than one interval.
    """
    if not len(at):
        return at
    step = round(interval_s * 1e6)
    half = step // 2
    offset = (at - at[0] + half) % step - half
    beat = int(at[0] + np.median(offset))
    index = (at - beat + half) // step
    return beat // step * step + index * step
