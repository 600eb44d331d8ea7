"""Series of services that move together: residuals without week, growth and common causes, and lagged correlation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import baseline, grid, movement

LAGS_H = 6
AROUND_WEEKS = 4
MIN_HOURS = 8 * 168
MIN_COVERAGE = 0.5  # of the hours, for a service to take part
CLIP = 4.0  # robust standard deviations: an incident is one hour's movement, not the whole correlation
EVENT = 3.0  # robust standard deviations of a day that belongs to everybody
WORTH = 0.1  # correlation below which a pair is not worth an experiment, however sure it is
ORDER = 3  # of the autoregression that makes a residual white
PERMUTATIONS, BLOCK_H = 24, 336
MAX_FACTORS, DOMINANT = 8, 3.0  # common causes at most; how many times the mean of the rest one must be
SHARED = 0.15  # a factor that this share of all services takes part in is a common cause, not a pair


class Hourly(NamedTuple):
    """What one service recorded by the hour: UTC microseconds in order, values, and how an hour was rolled up."""

    time: np.ndarray
    value: np.ndarray
    rollup: str


def hourly(series: pd.DataFrame, metric: str) -> dict[str, Hourly]:
    """The hourly points of `metric` in a table of series, by service."""
    rows = series[(series["metric"] == metric) & (series["interval_s"] == 3600)]
    if rows.empty:
        return {}
    keys, parts = movement.split(rows)
    rollups = rows.groupby("scope")["rollup"].min()  # the one that `split` takes
    found = {}
    for scope, (at, value, _) in zip(keys["scope"], parts, strict=True):
        if (name := movement.service_of(scope)) is not None:
            found[name] = Hourly(at, value, str(rollups[scope]))
    return found


def residuals(by_name: Mapping[str, Hourly], metric: str, zone: str) -> tuple[list[str], np.ndarray]:
    """Services in order of name and their white residuals (services, hours); unknown hours are 0.

    Raises InputError where nothing is given, RefusedError where there are too few, where two points share an hour, or
    where a running count was never turned into a rate.
    """
    if not by_name:
        raise InputError(
            f"There is no hourly series of {metric} whose scope names a service.",
            remedy="Choose a metric that is recorded by the hour and service, such as requests.",
        )
    first = min(int(part.time[0]) for part in by_name.values()) // baseline.HOUR_US
    hours = max(int(part.time[-1]) for part in by_name.values()) // baseline.HOUR_US - first + 1
    if hours > baseline.MAX_BLOCKS:
        raise RefusedError("The series span more than two centuries.", remedy="Correct the wrong time.")
    if len(by_name) < 3 or hours < MIN_HOURS:
        raise RefusedError(
            f"{len(by_name)} services over {hours} hours are too few to tell a pair from chance.",
            remedy=f"Give at least three services and {MIN_HOURS} hours.",
        )
    table = np.full((len(by_name), hours), np.nan)
    for row, name in enumerate(sorted(by_name)):
        time, value, rollup = by_name[name]
        hour = time // baseline.HOUR_US - first
        if (twice := int((np.diff(hour) == 0).sum())) > 0:
            raise RefusedError(
                f"{metric} of {name}: {twice} point(s) stand twice in the same hour.",
                remedy="Keep one source of each series.",
            )
        grid.refuse_counter(metric, rollup, name, value)
        table[row, hour] = value
    held = (table > 0).mean(axis=1) >= MIN_COVERAGE
    if held.sum() < 3:
        raise RefusedError(
            f"{int(held.sum())} services have values in half of the hours; three are needed.",
            remedy="Choose a metric that is recorded more often.",
        )
    names = [name for name, keep in zip(sorted(by_name), held, strict=True) if keep]
    local = _local_hours((np.arange(hours) + first) * baseline.HOUR_US, zone)
    return names, white(deseasoned(table[held], local))


def _local_hours(at: np.ndarray, zone: str) -> np.ndarray:
    """Hours of the wall clock in `zone` since a Monday, of UTC microseconds."""
    utc = pd.DatetimeIndex(at.astype("datetime64[us]"), tz="UTC")
    try:
        local = utc.tz_convert(ZoneInfo(zone)).tz_localize(None)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"There is no time zone '{zone}'.", remedy="Use an IANA name such as Europe/Berlin."
        ) from error
    return (local.as_unit("us").asi8 + 3 * baseline.DAY_US) // baseline.HOUR_US


def deseasoned(table: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Logarithm of `table` over the median of the same local hour of the week within four weeks on either side.

    `slot`: local hour of each column, counted from a Monday. Null where the value is not positive.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(table > 0, np.log(np.where(table > 0, table, 1.0)), np.nan)
    first = int(slot.min())
    week, hour = (slot - first) // 168, (slot - first) % 168
    weeks = int(week.max()) + 1
    by_week = np.full((len(table), weeks + 2 * AROUND_WEEKS, 168), np.nan)
    by_week[:, week + AROUND_WEEKS, hour] = log
    near = np.lib.stride_tricks.sliding_window_view(by_week, 2 * AROUND_WEEKS + 1, axis=1)
    found = np.empty_like(log)
    for row in range(len(table)):  # one service at a time: a window is nine times the series
        ranked = near[row].reshape(-1, 2 * AROUND_WEEKS + 1)
        expected = baseline.middle(ranked.T, 3).reshape(weeks, 168)
        found[row] = log[row] - expected[week, hour]
    return found


def white(residual: np.ndarray) -> np.ndarray:
    """Each row clipped, made white by an autoregression, scaled to variance 1, and freed of factors that many share."""
    residual = np.where(_everybodys(residual), np.nan, residual)
    centre = np.nanmedian(residual, axis=1, keepdims=True)
    spread = 1.4826 * np.nanmedian(np.abs(residual - centre), axis=1, keepdims=True)
    z = np.clip((residual - centre) / np.where(spread > 0, spread, np.inf), -CLIP, CLIP)
    z = np.where(np.isnan(z), 0.0, z)
    z = _scaled(_autoregressed(_scaled(_unshared(z))))
    return _scaled(_unshared(z))


def _everybodys(residual: np.ndarray) -> np.ndarray:
    """Hours of days on which most services were far from their usual week: sales, holidays, outages of telemetry."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # hours that nobody recorded
        usual = np.nanmedian(residual, axis=0)
    days = -(-len(usual) // 24)
    padded = np.full(days * 24, np.nan)
    padded[: len(usual)] = usual
    level = baseline.middle(padded.reshape(days, 24).T)
    away = np.abs(level - np.nanmedian(level))
    event = ~(away <= EVENT * 1.4826 * np.nanmedian(away))
    event |= np.r_[event[1:], False] | np.r_[False, event[:-1]]  # local days do not begin at midnight UTC
    return np.repeat(event, 24)[: len(usual)]


def _unshared(z: np.ndarray) -> np.ndarray:
    """Without the principal components that stand out several times and that many services take part in."""
    rows, hours = z.shape
    values, vectors = np.linalg.eigh(z @ z.T / hours)
    takes_part = 1 / (vectors**4).sum(axis=0)
    shared = []
    for k in range(rows - 1, max(rows - 1 - MAX_FACTORS, 0), -1):
        if values[k] < DOMINANT * values[:k].mean() or takes_part[k] < max(SHARED * rows, 3):
            break
        shared.append(k)
    basis = vectors[:, shared]
    return z - basis @ (basis.T @ z)


def _autoregressed(z: np.ndarray) -> np.ndarray:
    """What each hour adds to the ones before, by Yule and Walker."""
    hours = z.shape[1]
    lagged = np.stack([(z[:, : hours - k] * z[:, k:]).sum(axis=1) / hours for k in range(ORDER + 1)], axis=1)
    found = z.copy()
    for row, r in enumerate(lagged):
        if r[0] > 0:
            table = r[np.abs(np.subtract.outer(np.arange(ORDER), np.arange(ORDER)))] + 1e-9 * np.eye(ORDER)
            for k, weight in enumerate(np.linalg.solve(table, r[1:]), start=1):
                found[row, k:] -= weight * z[row, :-k]
    return found


def _scaled(z: np.ndarray) -> np.ndarray:
    size = np.sqrt((z * z).mean(axis=1, keepdims=True))
    return z / np.where(size > 0, size, 1.0)


def pairs(
    residual: np.ndarray, at_once: np.ndarray, apart: np.ndarray, q: float, seed: int
) -> list[tuple[int, int, int, float, float]]:
    """(leader, follower, lag in hours, correlation, p) of pairs that move together, at a false-discovery rate of `q`.

    `apart`: pairs that are tested; `at_once`: those for which moving in the same hour says something. The null: whole blocks
    of the followers' time are permuted, which keeps each series' own shape and breaks what binds two; it is pooled over
    pairs, which are all white and of variance 1. Pairs below a correlation of .1 are not worth an experiment.
    """
    rng = np.random.default_rng(seed)
    rows, hours = residual.shape
    single = residual.astype(np.float32)  # twice as fast, and far finer than what chance moves
    best, lag = _strongest(single, single, at_once, apart)
    upper = np.triu_indices(rows, 1)
    tested = apart[upper]
    null = []
    for _ in range(PERMUTATIONS):
        blocks = np.array_split(np.arange(hours), max(hours // BLOCK_H, 4))
        order = np.concatenate([blocks[i] for i in _displaced(rng, len(blocks))])
        mixed, _ = _strongest(single, single[:, order], at_once, apart)
        null.append(mixed[upper][tested])
    pool = np.sort(np.concatenate(null))
    value = best[upper][tested]
    p = (len(pool) - np.searchsorted(pool, value, side="left") + 1) / (len(pool) + 1)
    chosen = np.flatnonzero(_discoveries(p, q))
    found = []
    for k in chosen:
        i, j = (int(index[tested][k]) for index in upper)
        shift = int(lag[i, j])
        leader, follower = (i, j) if shift >= 0 else (j, i)
        together = _correlation(residual, leader, follower, abs(shift))
        if abs(together) >= WORTH:
            found.append((leader, follower, abs(shift), together, float(p[k])))
    return found


def _displaced(rng: np.random.Generator, count: int) -> np.ndarray:
    """A permutation that leaves no block where it was."""
    order = rng.permutation(count)
    found = np.empty(count, dtype=int)
    found[order] = np.roll(order, 1)  # one circle through all of them
    return found


def _strongest(
    one: np.ndarray, other: np.ndarray, at_once: np.ndarray, apart: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Largest statistic within six hours either way of each pair, and the lag of the second behind the first.

    The statistic: correlation by its standard error, or by what pairs usually show at that lag where that is more (Efron's
    empirical null): a common cause that is left over lifts all pairs a little.
    """
    rows, hours = one.shape
    best, where = np.zeros((rows, rows)), np.zeros((rows, rows), dtype=int)
    for lag in range(LAGS_H + 1):
        ways = [(one[:, : hours - lag] @ other[:, lag:].T, 1)]  # row leads column
        if lag:
            ways.append(((other[:, : hours - lag] @ one[:, lag:].T).T, -1))
        for product, sign in ways:
            signed = product / np.sqrt(hours - lag)
            table = np.abs(signed) / max(1.0, 1.4826 * float(np.median(np.abs(signed[apart]))))
            if lag == 0:
                table = np.where(at_once, table, 0.0)
            larger = apart & (table > best)
            best[larger], where[larger] = table[larger], sign * lag
    return best, where


def _correlation(residual: np.ndarray, leader: int, follower: int, lag: int) -> float:
    n = residual.shape[1] - lag
    return float(residual[leader, :n] @ residual[follower, lag:] / n)


def _discoveries(p: np.ndarray, q: float) -> np.ndarray:
    """Benjamini and Hochberg (1995): which of `p` are discoveries at a false-discovery rate of `q`."""
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= q * np.arange(1, len(p) + 1) / max(len(p), 1))
    found = np.zeros(len(p), dtype=bool)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found
