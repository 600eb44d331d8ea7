"""The backtest: its metrics by hand, what it refuses to measure, and whether the ranking earns its place."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import backtest

from .ledger_worlds import CLASSES, END, START, at, facts, simulate, touches

FULL = os.environ.get("RESILIENCE_ACCEPTANCE") == "1"


def test_recall_and_ndcg_by_hand() -> None:
    gain = np.array([3.0, 0.0, 1.0, 0.0])
    assert backtest.recall(gain, np.array([2, 0, 1, 3]), 1) == 0.25
    assert backtest.recall(gain, np.array([2, 0, 1, 3]), 2) == 1.0
    expected = (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))
    assert backtest.ndcg(gain, np.array([2, 0, 1, 3]), 2) == pytest.approx(expected)
    assert np.isnan(backtest.recall(np.zeros(3), np.arange(3), 2))


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


def test_against_frequency_and_smoothed_frequency() -> None:
    """20 worlds (2 in the short suite, which only checks that nothing is broken): lower bounds over worlds,
    ceiling beside."""
    differences: dict[str, list[float]] = {"all": [], "never": []}
    levels: dict[str, list[float]] = {}
    for seed in range(20 if FULL else 2):
        world = simulate(1000 + seed, size="full" if FULL else "small")
        found = backtest.evaluate(
            world.touches, CLASSES, world.facts, end=END, start=START, truth=world.rates(), seed=seed
        ).table
        rows = found[(found["k"] == 15) & (found["metric"] == "recall")].set_index(["cells", "method"])
        differences["all"].append(rows.loc[("all cells", "frequency"), "against_ours"])
        differences["never"].append(rows.loc[("never-seen cells", "smoothed frequency"), "against_ours"])
        for (cells, method), row in rows.iterrows():
            levels.setdefault(f"{cells}, {method}", []).append(row["value"])
    for name, values in levels.items():
        print(f"{name:45} {np.mean(values):.4f}")
    for name, values in differences.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        print(
            f"{name}: ours less the other {np.mean(values):+.4f}, lower bound {np.mean(values) - 2.093 * error:+.4f}"
        )
    ceiling = np.mean(levels["all cells, knowable ceiling"])
    assert ceiling > np.mean(levels["all cells, random"])
    if FULL:
        lower = {k: np.mean(v) - 2.093 * np.std(v, ddof=1) / np.sqrt(len(v)) for k, v in differences.items()}
        assert lower["all"] > -0.02, lower
        assert lower["never"] > 0, lower
    else:
        assert np.mean(differences["all"]) > -0.06
