"""What is carried within an objective, and the last weeks replayed on less: planted limits, then a simulated marketplace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import headroom as analysis
from resilience.analysis.headroom import Headroom
from resilience.analysis.what_if import WhatIf, what_if
from resilience.errors import InputError, RefusedError

from . import loads
from .loads import BERLIN


def find(load: Any, answer: Any, **given: Any) -> Headroom:
    goal = {"at_most": 1.0} if not given.keys() & {"at_most", "times_usual"} else {}
    return analysis.headroom(
        loads.rows(load), loads.rows(answer, metric="p95", rollup="avg"), BERLIN,
        load_metric="hits", response_metric="p95", **goal, **given,
    )  # fmt: skip


def planted(n: int = 20, breaks: float = 250.0, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Weeks whose latency reaches 1 s at `breaks`."""
    load = loads.weeks(n, sigma=0.15)
    rng = np.random.default_rng(1)
    return load, (load / breaks) ** 2 * np.exp(rng.normal(0, noise, len(load)))


def test_the_limit_is_where_the_objective_breaks() -> None:
    found = find(*planted())
    row = found.table.iloc[0]
    assert row["limit"] == pytest.approx(250, rel=0.03)
    assert row["low"] <= 250 <= row["high"]
    assert not row["at_least"]
    assert row["n_broken"] > 100
    assert found.limits == {"service:a": row["limit"]}
    assert "Load broke it on 1 of 1 service" in found.text
    assert "averaged over 60 min" in found.text


def test_load_that_never_came_near_says_at_least_the_observed_peak() -> None:
    load, _ = planted()
    found = find(load, np.full(len(load), 0.2))
    row = found.table.iloc[0]
    assert row["at_least"]
    assert row["limit"] == row["peak"] == load.max()
    assert pd.isna(row["low"])
    assert found.at_least == ["service:a"]
    assert "at least the observed peak" in found.text


def test_an_objective_broken_for_other_reasons_is_no_limit() -> None:
    """An hour that breaks it here and there, whatever the load, and one that is broken all the time."""
    load, _ = planted()
    answer = np.full(len(load), 0.2)
    answer[::97] = 5.0
    assert find(load, answer).table["at_least"].tolist() == [True]
    always = find(load, np.full(len(load), 5.0)).table.iloc[0]
    assert pd.isna(always["limit"])
    assert always["reason"] == "the objective is broken at any load"


def test_an_objective_may_be_a_multiple_of_the_usual() -> None:
    """Latency that steps down in the middle, as after a move: each week is held against itself."""
    load, answer = planted()
    answer = 0.4 + 0.6 * answer
    answer[len(answer) // 2 :] *= 0.7
    usual = 0.4 + 0.6 * (100 / 250) ** 2
    truth = 250 * np.sqrt((2 * usual - 0.4) / 0.6)
    assert find(load, answer, times_usual=2.0).table["limit"].iloc[0] == pytest.approx(truth, rel=0.04)


def test_what_is_left_out_and_what_is_long_ago_does_not_count() -> None:
    load, answer = planted(60)
    old = answer.copy()
    old[: 8 * 168] *= 3  # breaks at 144, a year ago
    row = find(load, old).table.iloc[0]
    assert row["limit"] == pytest.approx(250, rel=0.04)
    late = answer.copy()
    late[-4 * 168 :] *= 0.5  # four weeks of twice the machines
    start = loads.MONDAY.tz_convert("UTC") + pd.Timedelta(weeks=56)
    span = [(start, start + pd.Timedelta(weeks=5))]
    assert find(load, late, exclude=span).table["n"].iloc[0] == 48 * 168


def test_objectives_are_read_and_wrong_ones_refused() -> None:
    assert analysis.objective(" 1.5X ") == (None, {"times_usual": 1.5})
    assert analysis.objective("my.errors < 0.8") == ("my.errors", {"at_most": 0.8})
    assert analysis.objective("my.errors<=2x") == ("my.errors", {"times_usual": 2.0})
    for wrong in ("", "fast", "-1", "inf", "nanx", "< 2", "p95 <"):
        with pytest.raises(InputError, match="no objective"):
            analysis.objective(wrong)
    load, answer = planted(2)
    for given in ({"at_most": 1.0, "times_usual": 2.0}, {"times_usual": 1.0}, {"at_most": -1.0}):
        with pytest.raises(InputError, match="no objective to break"):
            find(load, answer, **given)


def test_scopes_without_a_response_are_listed_and_intervals_must_agree() -> None:
    load, answer = planted(2)
    both = pd.concat([loads.rows(load), loads.rows(load, scope="service:b")], ignore_index=True)
    response = loads.rows(answer, metric="p95")
    found = analysis.headroom(both, response, BERLIN, load_metric="hits", response_metric="p95", at_most=1.0)
    assert found.table.set_index("service").loc["b", "reason"] == "p95 is not there"
    fine = loads.rows(answer, metric="p95", interval_s=60.0)
    with pytest.raises(RefusedError, match="hits comes at 3600 s, p95 at 60 s"):
        analysis.headroom(both, fine, BERLIN, load_metric="hits", response_metric="p95", at_most=1.0)
    other = loads.rows(answer, metric="p95", scope="service:z")
    with pytest.raises(InputError, match="No scope has both"):
        analysis.headroom(both, other, BERLIN, load_metric="hits", response_metric="p95", at_most=1.0)


def test_limits_of_a_simulated_marketplace_are_found_where_they_lie() -> None:
    """p95 is 1 + 0.6 used^3 times its usual: 1.5 times it is reached at about 0.95 of what truth calls the limit."""
    sample = loads.sample(2, "small")
    found = analysis.headroom(
        sample.hits,
        sample.p95,
        BERLIN,
        load_metric="hits",
        response_metric="p95",
        times_usual=1.5,
        exclude=sample.enlarged,
    )
    true = pd.DataFrame(sample.true["services"])
    table = found.table.merge(true, on="service")
    share = table["limit"] / 3600 / table["limit_rps"]
    seen = table["limit"].notna() & ~table["at_least"]
    assert seen.sum() >= 8
    assert share[seen].between(0.88, 1.02).all()
    full = table["saturates_on"].fillna("9999") < "2021-01-01"
    assert seen[full].all()
    assert (share[~seen & ~table["limit_follows_growth"]] <= 1.05).all()


# --- what if ---


def replay(values: Any, limit: float | None = 400.0, **given: Any) -> WhatIf:
    limits = {} if limit is None else {"a": limit}
    return what_if(loads.rows(values), BERLIN, metric="hits", limits=limits, **given)


def test_one_instance_less() -> None:
    """Four carry 400; three carry 300, and 295 is asked for on Monday noon, 200 by day."""
    week = loads.weeks(10, sigma=0.0, top=295.0)
    row = replay(week, instances=4).table.iloc[0]
    assert row[["capacity", "peak", "used"]].tolist() == pytest.approx([300, 295, 295 / 300])
    assert (row["state"], row["n_over"]) == ("holds", 0)
    less = replay(week, instances={"a": 2}).table.iloc[0]
    assert less["state"] == "breaks"
    assert less["n_over"] == less["n"] * 1 // 168 == 8
    assert less[["over_min_per_week", "over_least", "over_most", "worst_hour"]].tolist() == [60, 60, 60, 12]
    assert replay(week, instances={"b": 2}).table["reason"].tolist() == [
        "how many instances it has is not known"
    ]
    assert replay(week, instances=1).table["state"].tolist() == ["breaks"]


def test_k_times_the_load() -> None:
    week = loads.weeks(10, sigma=0.0)
    row = replay(week, times=1.5).table.iloc[0]
    assert row["state"] == "breaks"
    assert row["carries_times"] == pytest.approx(400 / 300)
    assert replay(week, times=1.3).table["state"].tolist() == ["holds"]
    assert "With 1.5 times the load and all capacity" in replay(week, times=1.5).text


def test_beyond_what_was_seen_is_not_known() -> None:
    week = loads.weeks(10, sigma=0.0)
    row = replay(week, 300.0, times=2.0, at_least=["service:a"]).table.iloc[0]
    assert (row["state"], row["reason"]) == ("not known", "beyond the highest load that it was seen to carry")
    assert replay(week, 300.0, at_least=["service:a"]).table["state"].tolist() == ["holds"]
    assert replay(week, None).table["reason"].tolist() == ["what it carries is not known"]


@pytest.mark.parametrize(
    "wrong",
    [{"times": 0.0}, {"times": float("inf")}, {"lost": 1.0}, {"lost": -0.1}, {"lost": 0.5, "instances": 2}],
)
def test_questions_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        replay(loads.weeks(10), **wrong)
