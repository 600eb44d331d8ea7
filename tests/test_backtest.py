"""The backtest: its metrics by hand, what it refuses to measure, and whether the ranking earns its place."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resilience.analysis import backtest

from .ledger_worlds import CLASSES, END, START, at, facts, rates, simulate, touches
from .sizes import FULL, SIZE, at_full_size


def test_recall_and_ndcg_by_hand() -> None:
    listed = np.array(
        [[1.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    )  # gains in the order listed, of two futures
    best = -np.sort(-listed, axis=1)
    assert backtest.recall(listed[:, :1], listed.sum(axis=1)) == pytest.approx([0.25, np.nan], nan_ok=True)
    assert backtest.recall(listed[:, :2], listed.sum(axis=1)) == pytest.approx([1.0, np.nan], nan_ok=True)
    expected = (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))
    assert backtest.ndcg(listed[:, :2], best[:, :2]) == pytest.approx([expected, np.nan], nan_ok=True)


def test_too_little_history_is_not_measurable() -> None:
    few = touches([(f"I{i}", "config", "a", "2021-03-01") for i in range(5)])
    found = backtest.evaluate(few, CLASSES, facts("a", "b"), end=END)
    assert not found.measurable
    assert "Not measurable" in found.text
    long = touches([(f"I{i}", "config", "a", f"20{19 + i % 2}-09-01") for i in range(12)])
    found = backtest.evaluate(long, CLASSES, facts("a", "b"), end=END, start=START)
    assert not found.measurable
    assert "are needed" in found.text
    assert not backtest.evaluate(touches([]), CLASSES, facts("a"), end=END).measurable


def test_nothing_after_an_origin_reaches_the_ranking() -> None:
    """The future may not change the past's scores: one world with another future has the same ones."""
    rng = np.random.default_rng(1)
    rows = [
        (f"I{i}", CLASSES[i % 5], f"s{rng.integers(9)}", str((START + pd.Timedelta(days=int(d))).date()))
        for i, d in enumerate(rng.integers(0, 720, 160))
    ]
    origin = at("2020-12-01")
    made = touches(rows)
    scores, known = [], facts(*(f"s{i}" for i in range(9)))
    for future in (made[made["at"] >= origin], made[made["at"] >= origin].assign(service="s0")):
        prepared = backtest.prepare(
            made[made["at"] < origin], future, CLASSES, known, origin, START, None, None, np.random.default_rng(0)
        )  # fmt: skip
        scores.append(prepared.scores)
    for method in backtest.METHODS:
        assert np.array_equal(scores[0][method], scores[1][method]), method


def test_a_repaired_cell_is_left_out_of_one_subset() -> None:
    rng = np.random.default_rng(2)
    rows = [
        (f"I{i}", "config", f"s{i % 3}", str((START + pd.Timedelta(days=int(d))).date()))
        for i, d in enumerate(rng.integers(0, 728, 200))
    ]
    fixed = pd.DataFrame({"failure_class": ["config"], "service": ["s0"], "at": [at("2020-08-01")]})
    found = backtest.evaluate(
        touches(rows), CLASSES, facts("s0", "s1", "s2"), end=END, start=START, repaired=fixed
    )
    value = found.table[(found.table["k"] == 4) & (found.table["metric"] == "recall")].set_index(
        ["cells", "method"]
    )["value"]
    assert value["all cells", "ours"] == pytest.approx(1.0)
    assert found.measurable
    assert found.table["against_ours"].notna().any()


# What issues ask of 20 worlds is asked of the first 20; the others are as many that nothing was chosen on either.
SEEDS = [*range(1000, 1020), *range(1100, 1120)] if FULL else [1000, 1001]


@cache
def _worlds() -> pd.DataFrame:
    """Ours less another ranking in the first 15 cells, one row per world.

    The short suite takes two small ones, and only checks that nothing is broken.
    """
    rows, levels = [], []
    for seed in SEEDS:
        world = simulate(seed, size=SIZE)
        found = backtest.evaluate(
            world.touches,
            CLASSES,
            world.facts,
            end=END,
            start=START,
            truth=rates(world.truth),
            seed=seed - 1000,
        ).table
        found = found[found["k"] == 15].set_index(["cells", "metric", "method"])
        levels.append(found["value"])
        apart = found["against_ours"]
        rows.append(
            {
                "all": apart["all cells", "recall", "frequency"],
                "never": apart["never-seen cells", "recall", "smoothed frequency"],
                "never, expected": apart["never-seen cells", "expected recall", "smoothed frequency"],
            }
        )
    mean = pd.concat(levels, axis=1).mean(axis=1)
    assert mean["all cells", "recall", "knowable ceiling"] > mean["all cells", "recall", "random"]
    print(mean[mean.index.get_level_values("metric") != "ndcg"].round(4).to_string())
    apart = pd.DataFrame(rows)
    for name in apart:
        for some in (apart[name][:20], apart[name][20:], apart[name]):
            mean, deviation = some.mean(), some.std()
            print(
                f"{name}, {len(some)} worlds: {mean:+.4f}, lower {_lower(some):+.4f}, strays by {deviation:.4f}"
            )
    return apart


def _lower(values: pd.Series) -> float:
    """Lower end of a 95 % interval for the mean over worlds (Student's t)."""
    return float(values.mean() - stats.t.ppf(0.975, len(values) - 1) * values.sem())


def test_over_all_cells_ours_is_not_worse_than_frequency() -> None:
    apart = _worlds()["all"][:20]
    assert (_lower(apart) > -0.02) if FULL else (apart.mean() > -0.06)


def test_in_never_seen_cells_ours_is_better_than_both_margins_in_what_is_to_be_expected() -> None:
    apart = _worlds()["never, expected"][:20]
    assert (_lower(apart) > 0) if FULL else (apart.mean() > -0.02)


@pytest.mark.acceptance
@at_full_size("40 worlds of full size")
def test_in_never_seen_cells_ours_is_better_than_both_margins_in_one_future() -> None:
    """As recorded, doubtful classes and all: +.017, lower bound +.005; the first 20 alone +.014 and -.004, the others +.019

    and +.004. It strays by .035 from world to world: some 35 worlds are needed to see it four times in five.
    """
    assert _lower(_worlds()["never"]) > 0
