"""Studentised permutation tests of two periods on logs: exact where rows are alike, still right where spreads differ.

Janssen (1997), Statistics & Probability Letters 36, 9-21; Chung and Romano (2013), Annals of Statistics 41, 484-507.
All permutations are one matrix, so that thousands of comparisons can be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when first used: statistics take most of a second

DRAWS = 1999
ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Test:
    """A difference of mean logs, after - before, with what chance alone does to it.

    `effect`, `se`, `low`, `high` are in logs; `df` are the degrees of freedom of `se`; `units` is what was permuted:
    so many incidents, or so many blocks of months; `lost`: rows whose stratum holds one period only and tells nothing.
    """

    effect: float
    se: float
    df: float
    p_value: float
    low: float
    high: float
    units: int
    lost: int


def by_rows(
    logs: np.ndarray,
    after: np.ndarray,
    strata: np.ndarray,
    *,
    correlation: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Test | None:
    """Permute rows within `strata` (integers from 0). None where a period has too few rows to know its spread.

    The difference is that of a model with one level per stratum; spreads are pooled over strata, per period.
    `correlation` of each row with the next, where it is known, widens the standard error.
    """
    both = _both(after, strata)
    lost = int((~both).sum())
    logs, after, strata = logs[both], after[both], np.unique(strata[both], return_inverse=True)[1]
    inside = np.eye(int(strata.max()) + 1)[strata] if len(strata) else np.zeros((0, 0))
    groups = inside.shape[1]
    n1 = after.astype(float) @ inside
    n = inside.sum(axis=0)
    if groups == 0 or min(n1.sum(), (n - n1).sum()) - groups < 3:
        return None
    level = (logs @ inside) / n
    y = logs - level[strata]
    labels = np.vstack([after, _within(strata, n1.astype(int), draws, seed)]).astype(float)
    sums = labels @ (inside * y[:, None])
    squares, n0 = labels @ y**2, n - n1
    weight = n1 * n0 / n
    difference = (sums / n1 + sums / n0) @ weight / weight.sum()  # levels are removed: the other sum is -sums
    v1 = (squares - (sums**2 / n1).sum(axis=1)) / (n1.sum() - groups)
    v0 = (y @ y - squares - (sums**2 / n0).sum(axis=1)) / (n0.sum() - groups)
    c1, c0 = (weight**2 / n1).sum() / weight.sum() ** 2, (weight**2 / n0).sum() / weight.sum() ** 2
    parts = np.maximum(v1, 0) * c1, np.maximum(v0, 0) * c0
    error = np.sqrt(parts[0] + parts[1])
    if not error[0] > 1e-9:  # equal values, but for rounding
        return None
    df = error[0] ** 4 / (
        parts[0][0] ** 2 / (n1.sum() - groups) + parts[1][0] ** 2 / (n0.sum() - groups)
    )  # Welch and Satterthwaite
    error[0] *= np.sqrt(inflation(correlation))
    return _judge(difference, error, float(df), len(logs), lost)


def by_blocks(
    logs: np.ndarray,
    after: np.ndarray,
    strata: np.ndarray,
    blocks: np.ndarray,
    *,
    correlation: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Test | None:
    """Permute whole `blocks` (integers; each lies in one period), so that what moves together stays together.

    `correlation` is that of each row with the next. What it leaves between blocks, and what shows between them, widens the
    standard error.

    None where either period has fewer than four blocks: no permutation of so few is rare enough to be evidence.
    """
    both = _both(after, strata)
    lost = int((~both).sum())
    if not both.any():
        return None
    logs, after, strata = logs[both], after[both], np.unique(strata[both], return_inverse=True)[1]
    blocks = np.unique(blocks[both], return_inverse=True)[1]
    y = logs - _levels(logs, after, strata)
    n, total = np.bincount(blocks).astype(float), np.bincount(blocks, y)
    late = np.bincount(blocks, after) > 0
    k = len(n)
    k1 = int(late.sum())
    if min(k1, k - k1) < 4:
        return None
    labels = np.vstack([late, _within(np.zeros(k, dtype=int), np.array([k1]), draws, seed)]).astype(float)
    means, variances = [], []
    for chosen, count in ((labels, k1), (1 - labels, k - k1)):
        size = chosen @ n
        mean = (chosen @ total) / size
        spread = chosen @ total**2 - 2 * mean * (chosen @ (total * n)) + mean**2 * (chosen @ n**2)
        means.append(mean)
        variances.append(np.maximum(spread, 0) / size**2 * count / (count - 1))
    error = np.sqrt(variances[0] + variances[1])
    if not error[0] > 1e-9:  # equal values, but for rounding
        return None
    df = error[0] ** 4 / (variances[0][0] ** 2 / (k1 - 1) + variances[1][0] ** 2 / (k - k1 - 1))
    centred = total - n * np.where(late, means[0][0], means[1][0])  # blocks are in order of time
    left = float(centred[:-1] @ centred[1:] / (centred @ centred)) + 1 / k + 0.5 / np.sqrt(k)
    left = max(
        left, _between(correlation, len(logs) / k)
    )  # what short blocks do not hold, however it was estimated
    error[0] *= np.sqrt(inflation(left))
    return _judge(means[0] - means[1], error, float(df), k, lost)


def lag1(logs: np.ndarray, after: np.ndarray, strata: np.ndarray) -> float:
    """Correlation of each row with the next, once periods and strata are taken out; rows are in order of time.

    Corrected for the bias of about -1/n that taking out the mean causes. 0 where there are fewer than four.
    """
    if len(logs) < 4:
        return 0.0
    rest = logs - _levels(logs, after, strata)
    rest = rest - np.where(
        after, rest[after].mean() if after.any() else 0, rest[~after].mean() if (~after).any() else 0
    )
    whole = rest @ rest
    return float(rest[:-1] @ rest[1:] / whole + 1 / len(rest)) if whole > 0 else 0.0


def _between(correlation: float, size: float) -> float:
    """Correlation of the sums of adjacent blocks of `size` rows, where each row correlates so with the next."""
    rho = min(max(correlation, 0.0), 0.9)
    rest = (1 - rho**size) / (1 - rho)
    return rho * rest**2 / (size * (1 + rho) / (1 - rho) - 2 * rho * rest / (1 - rho))


def inflation(correlation: float) -> float:
    """How many times the variance of a mean grows where each value correlates so with the next (first order)."""
    some = min(max(correlation, 0.0), 0.9)
    return (1 + some) / (1 - some)


def smallest_change(se: float, df: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Difference of mean logs that a two-sided test would find with `power`, given its standard error.

    From the noncentral t: the sample must show it, not only have it.
    """
    bar = scipy.stats.t.ppf(1 - alpha / 2, df)

    def short(shift: float) -> float:
        return float(scipy.stats.nct.sf(bar, df, shift) - power)

    return float(se * scipy.optimize.brentq(short, 0.0, 4 * bar + 10))


def sigma_range(se: float, df: float, level: float = 0.8) -> tuple[float, float]:
    """Where the true standard error lies, with probability `level`: chi-squared, so wide where rows are few."""
    tail = (1 - level) / 2
    return (
        float(se * np.sqrt(df / scipy.stats.chi2.ppf(1 - tail, df))),
        float(se * np.sqrt(df / scipy.stats.chi2.ppf(tail, df))),
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """`p_values` adjusted for their number. Holm (1979), Scandinavian Journal of Statistics 6, 65-70."""
    order = np.argsort(p_values)
    steps = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _both(after: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Rows whose stratum holds both periods."""
    if not len(strata):
        return np.zeros(0, dtype=bool)
    late, whole = np.bincount(strata, after), np.bincount(strata)
    found: np.ndarray = ((late > 0) & (late < whole))[strata]
    return found


def _levels(logs: np.ndarray, after: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """The level of each row's stratum in a model with one level per stratum and one difference of periods."""
    n, y = np.bincount(strata), np.bincount(strata, logs)
    share = np.bincount(strata, after) / n
    rest = after - share[strata]
    effect = (rest @ logs) / (rest @ rest) if rest @ rest > 0 else 0.0
    found: np.ndarray = (y / n - effect * share)[strata]
    return found


def _within(strata: np.ndarray, late: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, n) labels: in every stratum as many rows are after as in truth, at random."""
    noise = np.random.default_rng(seed).random((draws, len(strata)), dtype=np.float32)
    labels = np.zeros((draws, len(strata)), dtype=bool)
    for stratum, count in enumerate(late):
        where = np.flatnonzero(strata == stratum)
        chosen = np.argpartition(noise[:, where], count - 1, axis=1)[:, :count]
        np.put_along_axis(labels, where[chosen], True, axis=1)
    return labels


def _judge(difference: np.ndarray, error: np.ndarray, df: float, units: int, lost: int) -> Test:
    """The first row is what happened, the others what chance does. The interval is what the test would not reject."""
    effect, se = float(difference[0]), float(error[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.abs(difference[1:] / error[1:])
    chance = np.where(np.isfinite(chance), chance, np.inf)
    seen = abs(effect) / se
    p = (1 + int((chance >= seen * (1 - 1e-12)).sum())) / (len(chance) + 1)
    bar = np.sort(chance)[min(int(np.ceil((1 - ALPHA) * (len(chance) + 1))) - 1, len(chance) - 1)]
    return Test(effect, se, df, p, effect - bar * se, effect + bar * se, units, lost)
