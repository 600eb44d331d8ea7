"""Intervals against published values and against worlds whose truth is known."""

from __future__ import annotations

from math import exp, gamma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resilience.analysis import intervals
from resilience.errors import InputError

from .sizes import FULL

DRAWS = 4000 if FULL else 400
durations = st.lists(st.floats(0.5, 1e5), min_size=10, max_size=40)

# Uniform draws whose intervals R gives: EnvStats eqnpar(x, p=.5, ci.method="interpolate") at 95 %, and
# quantileCI median_confint_hs at 90 %, both quoted in SciPy's test_median_cihs.
UNIFORM = np.random.default_rng(8824288259505800535).random(20)


@pytest.mark.parametrize(
    ("level", "low", "high"), [(0.95, 0.38663198, 0.88431272), (0.90, 0.48319773, 0.88094268)]
)
def test_median_equals_r(level: float, low: float, high: float) -> None:
    assert intervals.median(UNIFORM, level) == pytest.approx((low, high), abs=1e-7)


def test_median_lies_between_the_order_statistics_of_the_table() -> None:
    # Tables of the sign interval: n 10 has (2, 9) at 97.9 % and (3, 8) at 89.1 %; n 20 (6, 15) at 95.9 %, (7, 14) at 88.5 %
    for n, outer, inner in ((10, (2, 9), (3, 8)), (20, (6, 15), (7, 14))):
        low, high = intervals.median(range(1, n + 1))
        assert outer[0] <= low <= inner[0]
        assert inner[1] <= high <= outer[1]


@pytest.mark.parametrize("n", [0, 1, 5])
def test_median_of_too_few_has_no_interval(n: int) -> None:
    assert np.isnan(intervals.median(range(n))).all()


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3 (score without continuity correction)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_proportion_equals_newcombe(successes: int, n: int, low: float, high: float) -> None:
    assert intervals.proportion(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Exact 95 % limits of a Poisson mean, as in Garwood (1936) and the tables made after it
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.36, 121.63)],
)
def test_poisson_count_equals_garwood(count: int, low: float, high: float) -> None:
    assert intervals.poisson_count(count) == pytest.approx((low, high), abs=6e-3)


def test_lognormal_mean_by_hand() -> None:
    # Logs 1..9: mean 5, variance 7.5; Cox: 5 + 3.75 -+ t(.975, 8) sqrt(7.5/9 + 7.5^2/16), t = 2.306004
    low, high = intervals.lognormal_mean(np.exp(np.arange(1, 10)))
    reach = 2.306004 * (7.5 / 9 + 56.25 / 16) ** 0.5
    assert (np.log(low), np.log(high)) == pytest.approx((8.75 - reach, 8.75 + reach), abs=1e-5)


def test_lognormal_mean_near_the_generalized_interval() -> None:
    """Another way to the same end: Krishnamoorthy and Mathew (2003), JSPI 115, 103-121, by simulation."""
    rng = np.random.default_rng(3)
    sample = rng.lognormal(3, 1.5, 40)
    logs, n, m = np.log(sample), 40, 40_000
    u2, z = rng.chisquare(n - 1, m), rng.standard_normal(m)
    s = logs.std(ddof=1)
    pivot = logs.mean() - z * s * np.sqrt((n - 1) / u2 / n) + s**2 * (n - 1) / u2 / 2
    low, high = np.exp(np.quantile(pivot, [0.025, 0.975]))
    ours = intervals.lognormal_mean(sample)
    assert np.log(ours.low) == pytest.approx(np.log(low), abs=0.25)
    assert np.log(ours.high) == pytest.approx(np.log(high), abs=0.45)


@pytest.mark.acceptance
@pytest.mark.parametrize("sigma", [0.5, 1.5, 2.0] if not FULL else [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("n", [10, 50] if not FULL else [10, 20, 50, 100, 200])
def test_coverage_on_lognormals(n: int, sigma: float) -> None:
    rng = np.random.default_rng([n, round(10 * sigma)])
    worlds = rng.lognormal(3, sigma, (DRAWS, n))
    slack = 3 * (0.05 * 0.95 / DRAWS) ** 0.5
    found = {
        "geomean": np.mean([_covers(intervals.geometric_mean(w), exp(3)) for w in worlds]),
        "median": np.mean([_covers(intervals.median(w), exp(3)) for w in worlds]),
        "mean": np.mean([_covers(intervals.lognormal_mean(w), exp(3 + sigma**2 / 2)) for w in worlds]),
    }
    assert 0.93 - slack <= found["geomean"] <= 0.97 + slack, found
    assert 0.94 - slack <= found["median"] <= 0.99 + slack, found
    assert found["mean"] >= (0.91 if n < 20 else 0.93) - slack, found


@pytest.mark.acceptance
@pytest.mark.parametrize("n", [10, 50] if not FULL else [10, 20, 50, 100])
@pytest.mark.parametrize("world", ["weibull .7", "weibull 1", "bimodal"])
def test_printed_means_cover_off_the_lognormal(world: str, n: int) -> None:
    rng = np.random.default_rng([n, len(world)])
    if world == "bimodal":
        truth = (exp(2 + 0.18) + exp(4 + 0.18)) / 2
        samples = np.exp(rng.normal(np.where(rng.random((DRAWS, n)) < 0.5, 2.0, 4.0), 0.6))
    else:
        shape = float(world.split()[1])
        truth, samples = 60 * gamma(1 + 1 / shape), 60 * rng.weibull(shape, (DRAWS, n))
    printed = [s for s in samples if intervals.lognormal_fits(s)]
    covered = [_covers(intervals.lognormal_mean(s), truth) for s in printed]
    assert len(printed) < 0.75 * DRAWS
    assert np.mean(covered) >= 0.90 - 3 * (0.09 / len(covered)) ** 0.5


def test_coverage_of_rates() -> None:
    """Summed over every count, so exact: never under 95 %, and at most 99 % from five expected on.

    Below that counts are few and whole, and no interval that always covers 95 % comes closer.
    """
    limits = np.array([intervals.poisson_count(k) for k in range(200)])
    rates = np.arange(0.5, 100, 0.05)
    chance = stats.poisson.pmf(np.arange(200), rates[:, None])
    covered = (chance * ((limits[:, 0] <= rates[:, None]) & (rates[:, None] <= limits[:, 1]))).sum(axis=1)
    assert covered.min() >= 0.95
    assert covered[rates >= 5].max() <= 0.99
    assert covered.max() <= 0.997


def test_fit_turns_down_what_is_not_lognormal() -> None:
    rng = np.random.default_rng(5)
    assert not intervals.lognormal_fits(60 * rng.weibull(0.7, 200))
    assert not intervals.lognormal_fits(np.full(20, 7.0))
    even = np.exp(stats.norm.ppf((np.arange(50) + 0.5) / 50))
    assert intervals.lognormal_fits(even)


@given(durations, st.floats(1e-3, 1e3))
def test_intervals_scale_with_the_unit(values: list[float], factor: float) -> None:
    for interval in (intervals.median, intervals.geometric_mean, intervals.lognormal_mean):
        one, other = interval(values), interval([factor * v for v in values])
        assert np.allclose(np.multiply(factor, one), other, rtol=1e-6, equal_nan=True)


@given(durations)
def test_point_lies_inside(values: list[float]) -> None:
    low, high = intervals.median(values)
    assert low <= np.median(values) <= high
    low, high = intervals.geometric_mean(values)
    assert low <= exp(np.log(values).mean()) * (1 + 1e-9)
    assert high >= exp(np.log(values).mean()) * (1 - 1e-9)


@pytest.mark.parametrize("values", [[1.0, np.nan], [1.0, np.inf]])
def test_null_and_infinite_values_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="null or infinite"):
        intervals.median(values)


def test_impossible_counts_are_refused() -> None:
    for call in (
        lambda: intervals.poisson_count(-1),
        lambda: intervals.proportion(3, 2),
        lambda: intervals.geometric_mean([0.0, 1.0]),
    ):
        with pytest.raises(InputError):
            call()
    assert np.isnan(intervals.proportion(0, 0)).all()


def _covers(interval: intervals.Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high
