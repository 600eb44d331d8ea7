"""The gate that tells a movement from noise, and least squares that say where it began: a step or a ramp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GATE, OF = 3, 5  # points beyond the threshold, of points in a row
BACK, AHEAD = 40, 40  # points before and after the gate that take part
LENGTHS = (1, 3, 5, 8, 12, 18, 26, 40)  # points that a rise takes; 1 is a step
RIDE = 0.9  # largest lag-1 correlation that is believed
OUTSIDE = 0.05  # chance that the place lies outside of what is given


@dataclass(frozen=True)
class Fit:
    """`first`: the first point that moved; `low`, `high`: between which it lies; `height`: in the unit of z."""

    first: int
    low: int
    high: int
    kind: str
    height: float


def usual(reference: np.ndarray) -> tuple[float, float]:
    """Median, and standard deviation from the MAD, of known values. Where more than half are equal, the MAD is 0: then

    the mean deviation is used, and where all are equal a millionth of their size: any change of a constant is a movement."""
    centre = float(np.median(reference))
    off = np.abs(reference - centre)
    spread = 1.4826 * float(np.median(off)) or 1.2533 * float(off.mean())
    return centre, spread or max(abs(centre) * 1e-6, 1e-12)


def gated(z: np.ndarray, sigmas: float) -> int | None:
    """Place of the first point of the first group of five in which three are beyond `sigmas` on one side; else None."""
    if len(z) < OF:
        return None
    firsts = []
    for side in (z, -z):
        beyond = np.nan_to_num(side, nan=-np.inf) > sigmas
        counts = np.convolve(beyond, np.ones(OF, dtype=int))[OF - 1 :]  # of the five that begin here
        passed = np.flatnonzero((counts >= GATE) & beyond)
        if len(passed):
            firsts.append(int(passed[0]))
    return min(firsts) if firsts else None


def gate_levels(z: np.ndarray) -> np.ndarray:
    """Per row, the largest `sigmas` that the gate would still pass in each run of five: (rows, times - 4)."""
    runs = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(z, nan=0.0), OF, axis=-1)
    ranked = np.sort(runs, axis=-1)
    found: np.ndarray = np.maximum(ranked[..., OF - GATE], 0.0 - ranked[..., GATE - 1])
    return found


def place(z: np.ndarray, gate: int, reference: np.ndarray) -> Fit:
    """Where `z` began to move near `gate`, as a step or ramp; `reference` shows z without any (mean 0, spread 1).

    Both are whitened by the lag-1 correlation of the reference, and each step and ramp is fitted by least squares. How long
    a ramp is can hardly be told where noise is autocorrelated, and where it begins depends on that. So no single fit is
    believed: all are weighed by their likelihood, and the place is the median, with its 95 % interval.
    """
    first = max(0, gate - BACK)
    part = z[first : gate + _lasts(z[gate : gate + AHEAD])]
    rho = correlation(reference)
    held = ~np.isnan(part)
    filled = np.where(held, part, 0.0)
    n = len(part)
    shapes = _shapes(n, gate - first)
    target = _whiten(filled, rho)
    weight = np.r_[held[0], held[1:] & held[:-1]].astype(float)
    variance = max(_innovations(reference, rho), 1e-12)
    white = _whiten(shapes, rho) * weight
    target = target * weight
    power = (white * white).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        height = np.where(power > 0, (white @ target) / power, 0.0)
    explained = height * height * power  # (lengths, places)
    explained = np.where(np.sign(height) == np.sign(np.nansum(part[gate - first :])), explained, 0.0)
    left = max(float((target * target).sum() - explained.max()) / max(weight.sum() - 3, 1), variance)
    chance = np.exp((explained - explained.max()) / (2 * left))
    chance[1:] /= len(LENGTHS) - 1  # a step is as likely as a ramp, and all lengths of one are
    believed = np.cumsum(chance.sum(axis=0))
    low, spot, high = np.searchsorted(believed, believed[-1] * np.array([OUTSIDE / 2, 0.5, 1 - OUTSIDE / 2]))
    is_ramp = bool(chance[1:].sum() > chance[0].sum())
    length = int(explained[1:, spot].argmax()) + 1 if is_ramp else 0
    return Fit(
        first + int(spot),
        first + int(low),
        first + int(high),
        "ramp" if is_ramp else "step",
        float(height[length, spot]),
    )


def _lasts(moved: np.ndarray) -> int:
    """Points until it is over: until three of five are nearer to where it came from than to where the first five were."""
    went = float(np.nanmedian(moved[:OF]))
    back = ~(moved * np.sign(went) > abs(went) / 2) & ~np.isnan(moved)
    over = np.flatnonzero(np.convolve(back, np.ones(OF, dtype=int))[OF - 1 :] >= GATE)
    return max(int(over[0]), GATE) if len(over) else len(moved)


def correlation(reference: np.ndarray) -> float:
    """Lag-1 correlation of a reference, outliers clipped at three spreads; 0 to .9."""
    clipped = np.clip(reference, -3, 3)
    clipped = clipped - clipped.mean()
    power = float((clipped * clipped).sum())
    rho = float((clipped[1:] * clipped[:-1]).sum()) / power if power > 0 else 0.0
    return min(max(rho, 0.0), RIDE)


def _innovations(reference: np.ndarray, rho: float) -> float:
    """Variance of a whitened reference, from its MAD."""
    return float(1.4826 * np.median(np.abs(_whiten(reference, rho)[1:]))) ** 2 if len(reference) > 1 else 1.0


def _whiten(table: np.ndarray, rho: float) -> np.ndarray:
    """What is new in each point of AR(1) noise; the first is scaled to the same variance."""
    found: np.ndarray = np.concatenate(
        [table[..., :1] * np.sqrt(1 - rho * rho), table[..., 1:] - rho * table[..., :-1]], axis=-1
    )
    return found


def _shapes(n: int, gate: int) -> np.ndarray:
    """(lengths, places, points): 0 before the place, then up to 1 within the length. Places go to two after the gate."""
    places = np.arange(min(gate + 3, n))
    since = np.arange(n)[None, :] - places[:, None] + 1
    return np.stack([np.clip(since / length, 0.0, 1.0) for length in LENGTHS])
