"""The Universal Scalability Law against planted parameters and published fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import scalability
from resilience.errors import InputError


def test_planted_parameters_come_back() -> None:
    n = np.array([1.0, 2, 4, 8, 16, 32, 64, 128])
    x = 50 * n / (1 + 0.03 * (n - 1) + 2e-4 * n * (n - 1))
    found = scalability.fit(n, x)
    assert [found.gamma, found.alpha, found.beta] == pytest.approx([50, 0.03, 2e-4], rel=1e-6)
    assert found.peak_load == pytest.approx(np.sqrt(0.97 / 2e-4), rel=1e-6)
    assert np.isfinite(found.at(256))
    assert np.isnan(found.at(256.1))


def test_no_peak_where_load_never_came_near_it() -> None:
    rng = np.random.default_rng(1)
    n = rng.uniform(1, 20, 200)
    for alpha, beta in ((0.02, 0.0), (0.0, 0.0), (0.01, 1e-6)):
        x = 30 * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) * rng.lognormal(0, 0.05, 200)
        found = scalability.fit(n, x)
        assert found.peak_load is None
        assert "no peak identifiable" in found.text


@pytest.mark.parametrize(
    ("load", "throughput"), [([1, 2, 3], [1, 2, 3]), ([5] * 20, list(range(20))), ([1] * 3, [1] * 4)]
)
def test_what_does_not_determine_a_fit_is_refused(load: list[float], throughput: list[float]) -> None:
    with pytest.raises(InputError):
        scalability.fit(load, throughput)


def test_gaps_and_zeros_never_become_numbers() -> None:
    n = np.r_[np.arange(1.0, 20), np.nan, 5.0, np.inf]
    x = np.r_[10 * np.arange(1.0, 20), 3.0, np.nan, 1.0]
    found = scalability.fit(n, x)
    assert found.n == 19
    assert found.limit is None  # a line: no contention can be told from none
    assert "no peak identifiable. Nothing is stated" in found.text
    with pytest.raises(InputError):
        scalability.fit(np.arange(1.0, 10), np.zeros(9))


def read(shared_data: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(shared_data / "usl" / f"{name}.csv")


def test_published_fits(shared_data: Path) -> None:
    rows = read(shared_data, "specsdm91")
    found = scalability.fit(rows["load"], rows["throughput"])
    assert [found.alpha, found.alpha_se] == pytest.approx([0.02773, 0.00912], rel=1e-3)
    assert [found.beta, found.beta_se] == pytest.approx([1.044e-4, 1.988e-5], rel=1e-3)
    assert [found.gamma, found.gamma_se] == pytest.approx([90.00, 14.21], rel=1e-3)
    assert [found.peak_load, found.peak, found.limit] == pytest.approx([96.5196, 1884, 3245.589], rel=1e-3)
    rows = read(shared_data, "raytracer")
    some = scalability.fit(rows["processors"][:6], rows["throughput"][:6])
    assert [some.alpha, some.gamma, some.peak_load] == pytest.approx([0.02444, 20.856, 24.49], rel=1e-3)
    assert round(some.beta, 5) == 0.00163
    whole = scalability.fit(rows["processors"], rows["throughput"])
    assert whole.peak_load is None
    assert "no peak identifiable" in whole.text
    assert whole.limit == pytest.approx(378.2, rel=1e-3)


def test_a_noisy_production_day_gives_a_sane_answer(shared_data: Path) -> None:
    """Four processors: sessions compete, and what the fit says of a peak lies within what was seen of it."""
    rows = read(shared_data, "oracledb")
    found = scalability.fit(rows["db_time"], rows["txn_rate"])
    assert found.n == 360
    assert 2 < found.gamma < 6
    assert found.peak is not None
    assert rows["txn_rate"].quantile(0.5) < found.peak < rows["txn_rate"].max()
    assert found.peak_load is not None
    assert 1 < found.peak_load < 2 * found.observed
