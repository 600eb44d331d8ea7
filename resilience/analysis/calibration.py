"""Can a classifier's probabilities be believed: coverage against risk, Brier score, log loss, calibration error.

All functions take `p` (n x k, rows add up to 1), and `y` (n, places of the true classes), unless they say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10  # of the calibration error, equally wide
_FLOOR = 1e-12  # what a probability of 0 counts as in a logarithm


def brier(p: np.ndarray, y: np.ndarray) -> float:
    """Mean over rows of the squared distance to the truth, summed over classes: 0 is perfect, 2 the worst."""
    truth = np.zeros_like(p)
    truth[np.arange(len(y)), y] = 1
    return float(((p - truth) ** 2).sum(axis=1).mean())


def log_loss(p: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean of -log (natural) of the probability that the true class was given; weighted by `weight` where given."""
    loss = -np.log(np.maximum(p[np.arange(len(y)), y], _FLOOR))
    return float(np.average(loss, weights=weight))


def prior(y: np.ndarray, k: int) -> np.ndarray:
    """What somebody who reads nothing would say (n x k): for each row the shares of the classes among the others, each
    counted once more (Laplace), so that no row helps to foretell itself."""
    counts = np.bincount(y, minlength=k).astype(float)
    rows = np.tile(counts + 1, (len(y), 1))
    rows[np.arange(len(y)), y] -= 1
    return rows / rows.sum(axis=1, keepdims=True)


def ece(surest: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |share right - mean probability| of each bin of `surest`, weighted by its rows."""
    n = len(surest)
    place = np.minimum((surest * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=right.astype(float) - surest, minlength=bins)
    return float(np.abs(gap).sum() / n) if n else float("nan")


def ece_by_chance(
    surest: np.ndarray, seed: int = 0, draws: int = 2000, bins: int = BINS
) -> tuple[float, float]:
    """Mean and 95 % quantile of the calibration error of a perfectly calibrated model with these probabilities.

    Each draw lets every row be right with just the probability that it claims; what error is left is chance at this n.
    """
    rng = np.random.default_rng(seed)
    errors = [ece(surest, rng.random(len(surest)) < surest, bins) for _ in range(draws)]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


@dataclass(frozen=True)
class Curve:
    """Risk against coverage, from the surest answer down. Equal lengths: `threshold` (answer at this probability or
    more), `coverage` (share answered), `risk` (share of the answers that are wrong)."""

    threshold: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    def accuracy_at(self, coverage: float) -> float:
        """Share right among the surest `coverage` of the rows (ties go in together)."""
        place = min(int(np.searchsorted(self.coverage, coverage - 1e-9)), len(self.coverage) - 1)
        return float(1 - self.risk[place]) if len(self.coverage) else float("nan")


def risk_coverage(surest: np.ndarray, right: np.ndarray, weight: np.ndarray | None = None) -> Curve:
    """The curve of El-Yaniv and Wiener (JMLR 2010) for answers of probability `surest` that are `right` or not."""
    weight = np.ones(len(surest)) if weight is None else weight
    order = np.argsort(-surest, kind="stable")
    last = np.append(np.diff(surest[order]) != 0, True)[: len(order)]  # one point per distinct probability
    answered = np.cumsum(weight[order])
    wrong = np.cumsum((weight * ~right.astype(bool))[order])
    total = answered[-1] if len(answered) else 1.0
    return Curve(surest[order][last], (answered / total)[last], (wrong / np.maximum(answered, _FLOOR))[last])


def threshold(curve: Curve, unknown_cost: float, within: tuple[float, float]) -> float:
    """Probability to answer from, such that wrong answers (cost 1) and 'unknown' (`unknown_cost`) cost least together.

    For perfect probabilities that is 1 - unknown_cost (Chow, 1970); of several points of equal cost the nearest to it.
    Points outside `within` are passed over: a curve of few rows is rough at its ends.
    """
    ideal = 1 - unknown_cost
    inside = (curve.threshold >= within[0]) & (curve.threshold <= within[1])
    if not inside.any():
        return ideal
    at, coverage, risk = curve.threshold[inside], curve.coverage[inside], curve.risk[inside]
    cost = risk * coverage + unknown_cost * (1 - coverage)
    return float(at[np.lexsort((np.abs(at - ideal), np.round(cost, 9)))[0]])
