"""The Universal Scalability Law against planted parameters and published fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from resilience.analysis import scalability
from resilience.cli import main
from resilience.errors import InputError, RefusedError

from .loads import rows


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


def test_two_metrics_are_fitted_scope_by_scope() -> None:
    """`a` bends, of `b` one value is missing, `c` has throughput alone, `d` one load only."""
    n = np.random.default_rng(0).uniform(1, 60, 400)
    x = 50 * n / (1 + 0.03 * (n - 1) + 2e-3 * n * (n - 1))
    gap = np.where(np.arange(400) == 7, np.nan, x)
    load = [rows(v, scope=f"service:{s}") for s, v in (("a", n), ("b", n), ("d", np.full(400, 5.0)))]
    served = [rows(v, scope=f"service:{s}") for s, v in (("a", x), ("b", gap), ("c", x), ("d", x))]
    found = scalability.by_scope(pd.concat(load), pd.concat(served)).set_index("scope")
    assert found.loc["service:a", "beta"] == pytest.approx(2e-3, rel=1e-6)
    assert found.loc["service:a", "peak_load"] == pytest.approx(np.sqrt(0.97 / 2e-3), rel=1e-6)
    assert found["n"].to_dict() == {"service:a": 400, "service:b": 399, "service:c": 0, "service:d": 0}
    assert found["reason"].notna().tolist() == [False, False, True, True]
    assert found.loc[["service:c", "service:d"], ["gamma", "peak_load", "limit"]].isna().all(axis=None)
    with pytest.raises(InputError, match="share no scope"):
        scalability.by_scope(load[0], served[2])
    with pytest.raises(RefusedError, match="different intervals"):
        scalability.by_scope(load[0], rows(x, scope="service:a", interval_s=60.0))


def test_a_load_test_is_fitted_by_a_command(tmp_path: Path) -> None:
    n = np.array([1.0, 2, 4, 8, 16, 32, 64, 128])
    file = tmp_path / "test.csv"
    pd.DataFrame({"users": n, "rate": 50 * n / (1 + 0.03 * (n - 1) + 2e-4 * n * (n - 1))}).to_csv(file)
    asked = ["scalability", str(file), "--load", "users"]
    found = CliRunner().invoke(main, [*asked, "--throughput", "rate"])
    assert "throughput peaks at a load of 69.6" in found.output
    missing = CliRunner().invoke(main, asked)
    assert missing.exit_code == 2
    assert "There is no column 'throughput'" in missing.stderr
    file.write_text("load,throughput\n1,many\n")
    assert "is no table of numbers" in CliRunner().invoke(main, ["scalability", str(file)]).stderr
    file.write_bytes(b"")
    assert CliRunner().invoke(main, ["scalability", str(file)]).exit_code == 2


def read(shared_data: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(shared_data / "usl" / f"{name}.csv")


def test_published_fits(shared_data: Path) -> None:
    given = read(shared_data, "specsdm91")
    found = scalability.fit(given["load"], given["throughput"])
    assert [found.alpha, found.alpha_se] == pytest.approx([0.02773, 0.00912], rel=1e-3)
    assert [found.beta, found.beta_se] == pytest.approx([1.044e-4, 1.988e-5], rel=1e-3)
    assert [found.gamma, found.gamma_se] == pytest.approx([90.00, 14.21], rel=1e-3)
    assert [found.peak_load, found.peak, found.limit] == pytest.approx([96.5196, 1884, 3245.589], rel=1e-3)
    given = read(shared_data, "raytracer")
    some = scalability.fit(given["processors"][:6], given["throughput"][:6])
    assert [some.alpha, some.gamma, some.peak_load] == pytest.approx([0.02444, 20.856, 24.49], rel=1e-3)
    assert round(some.beta, 5) == 0.00163
    whole = scalability.fit(given["processors"], given["throughput"])
    assert whole.peak_load is None
    assert "no peak identifiable" in whole.text
    assert whole.limit == pytest.approx(378.2, rel=1e-3)


def test_a_noisy_production_day_gives_a_sane_answer(shared_data: Path) -> None:
    """Four processors: sessions compete, and what the fit says of a peak lies within what was seen of it."""
    given = read(shared_data, "oracledb")
    found = scalability.fit(given["db_time"], given["txn_rate"])
    assert found.n == 360
    assert 2 < found.gamma < 6
    assert found.peak is not None
    assert given["txn_rate"].quantile(0.5) < found.peak < given["txn_rate"].max()
    assert found.peak_load is not None
    assert 1 < found.peak_load < 2 * found.observed
