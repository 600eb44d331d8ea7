"""Kaplan-Meier and the restricted mean against an established package, and against worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resilience.analysis import intervals, survival
from resilience.errors import InputError

from .sizes import FULL

DRAWS = 3000 if FULL else 300

# Made by lifelines 0.30.3: KaplanMeierFitter().fit(time, over), its confidence_interval_ (log-log, 95 %),
# median_survival_times(...) and restricted_mean_survival_time(..., t=tau).
TIME = [3, 5, 5, 8, 12, 13, 13, 20, 20, 20, 7, 20]
OVER = [1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0]
LEFT = [1.0, 0.916667, 0.75, 0.666667, 0.583333, 0.5, 0.416667]
LOW = [1.0, 0.538977, 0.408416, 0.337019, 0.270139, 0.208477, 0.152471]
HIGH = [1.0, 0.987826, 0.911720, 0.859712, 0.800940, 0.736073, 0.665302]
# The remission times of Freireich et al. (1963), as lifelines.datasets.load_leukemia gives them.
TREATED = [35, 34, 32, 32, 25, 23, 22, 20, 19, 17, 16, 13, 11, 10, 10, 9, 7, 6, 6, 6, 6]
TREATED_OVER = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1]
PLACEBO = [23, 22, 17, 15, 12, 12, 11, 11, 8, 8, 8, 8, 5, 5, 4, 4, 3, 2, 2, 1, 1]


def test_the_curve_equals_lifelines() -> None:
    found = survival.curve(TIME, OVER)
    assert found["minutes"].tolist() == [0, 3, 5, 7, 8, 12, 13]
    for column, values in (("left", LEFT), ("low", LOW), ("high", HIGH)):
        assert found[column].tolist() == pytest.approx(values, abs=1e-6), column


@pytest.mark.parametrize(
    ("time", "over", "median"),
    [
        (TIME, OVER, (12, 5, np.inf)),
        (TREATED, TREATED_OVER, (23, 13, np.inf)),
        (PLACEBO, [1] * 21, (8, 4, 11)),
    ],
)
def test_the_median_equals_lifelines(time: list[float], over: list[int], median: tuple[float, ...]) -> None:
    assert survival.median(time, over) == pytest.approx(median)


@pytest.mark.parametrize(
    ("time", "over", "limit", "mean"),
    [
        (TIME, OVER, 10, 8.166666666666666),
        (TIME, OVER, 20, 12.75),
        (TREATED, TREATED_OVER, 20, 16.116526610644254),
        (PLACEBO, [1] * 21, 20, 8.428571428571429),
    ],
)
def test_the_restricted_mean_equals_lifelines(
    time: list[float], over: list[int], limit: float, mean: float
) -> None:
    assert survival.restricted_mean(time, over, limit).mean == pytest.approx(mean)


def test_without_open_ones_the_interval_is_that_of_a_mean() -> None:
    # lifelines gives 33.768661 as the variance of min(time, 20) of the placebo group: divided by n - 1 = 20
    found = survival.restricted_mean(PLACEBO, [1] * 21, 20)
    reach = 1.959964 * (33.768660990476434 / 20) ** 0.5
    assert (found.low, found.high) == pytest.approx((found.mean - reach, found.mean + reach), rel=1e-6)


def test_the_lognormal_mean_equals_its_authors_example() -> None:
    # Olsson (2005), carbon monoxide levels; the numbers as his method in R gives them: 12.30929 to 78.72254
    levels = [12.5, 20, 4, 20, 25, 170, 15, 20, 15]
    assert intervals.lognormal_mean(levels) == pytest.approx((12.30929, 78.72254), rel=1e-6)


def test_not_reached_and_nothing_at_all() -> None:
    assert survival.median([5, 5, 5], [0, 0, 1]) == (np.inf, 5, np.inf)
    assert np.isinf(survival.median([], [])).all()
    assert np.isnan(survival.restricted_mean([], [])).all()
    lost = survival.restricted_mean([1, 2, 3], [0, 0, 0], limit=10)
    assert np.isnan(lost.mean)  # nobody was watched that long
    one = survival.restricted_mean([4], [1], limit=10)
    assert one.mean == 4
    assert np.isnan(one.low)


@pytest.mark.parametrize("time", [[np.nan, 1], [-1, 2], [np.inf, 1]])
def test_impossible_durations_are_refused(time: list[float]) -> None:
    with pytest.raises(InputError):
        survival.curve(time, [1, 1])
    with pytest.raises(InputError):
        survival.curve([1, 2], [1])


@given(
    st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_the_curve_falls_and_ignores_the_order_of_rows(rows: list[tuple[int, bool]], chance: object) -> None:
    found = survival.curve(*zip(*rows, strict=True))
    assert (np.diff(found["left"]) <= 1e-12).all()
    assert ((found["low"] <= found["left"] + 1e-12) & (found["left"] <= found["high"] + 1e-12)).all()
    assert int(found["ended"].sum()) == sum(over for _, over in rows)
    chance.shuffle(rows)  # type: ignore[attr-defined]
    assert survival.curve(*zip(*rows, strict=True)).equals(found)


@pytest.mark.acceptance
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n", [10, 50] if not FULL else [10, 20, 30, 50, 100, 200])
def test_coverage_with_open_ones(n: int, sigma: float) -> None:
    rng = np.random.default_rng([n, round(10 * sigma)])
    time = np.exp(rng.normal(4, sigma, (DRAWS, n)))
    gone = np.exp(rng.normal(5, 1.5, (DRAWS, n)))
    seen, over = np.minimum(time, gone), time <= gone
    medians = [survival.median(s, o) for s, o in zip(seen, over, strict=True)]
    covered = np.mean([m.low <= np.exp(4) <= m.high for m in medians])
    slack = 3 * (0.05 * 0.95 / DRAWS) ** 0.5
    assert 0.93 - slack <= covered <= 0.98 + slack
    if n < 30:
        return
    covered = 0
    for sample in time:
        found = survival.restricted_mean(sample, np.ones(n, dtype=bool))
        edge = (np.log(found.limit) - 4) / sigma
        truth = np.exp(4 + sigma**2 / 2) * stats.norm.cdf(edge - sigma) + found.limit * stats.norm.sf(edge)
        covered += found.low <= truth <= found.high
    assert covered / DRAWS >= 0.90 - slack
