"""Claims of change: right in worlds where nothing changed, found where something did, and an answer to every odd input."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from resilience.analysis import claims, permutation, reporting, times
from resilience.errors import InputError, RefusedError

from .histories import CHANGE, history
from .sizes import FULL

RUNS = 2000 if FULL else 25
SEEDS = 4_100_000 if FULL else 0  # at full size worlds that nothing was ever tried on
DRAWS = 499
NULLS: dict[str, dict[str, Any]] = {
    "iid": {},
    "small": {"n": 70},
    "spread doubles": {"spread_after": 2.0},
    "spread halves": {"spread_after": 0.5},
    "correlation .2": {"correlation": 0.2},
    "correlation .4": {"correlation": 0.4},
    "capture rises": {"capture": (0.3, 0.8)},
    "capture rises, no severity": {"capture": (0.3, 0.8), "severity": False},
    "recorded earlier": {"late": (0.45, 0.05)},
    "recorded later": {"late": (0.45, 0.9)},
}


def verdicts(clock: str, world: dict[str, Any], *, anchored: bool = False, runs: int = RUNS) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(SEEDS, SEEDS + runs):
        rows, onsets = history(seed, **world)
        before, after, _ = claims.split(rows, CHANGE)
        claim = times.compare(
            before, after, clock, onsets=onsets if anchored else None, by=(), draws=DRAWS, seed=seed
        )
        found[claim.verdict] += 1
    return found


def holds(wrong: int, runs: int) -> bool:
    """A share of at most 5 %, as far as so many runs can tell: at full size the upper bound of the share is under 6 %."""
    share = wrong / runs
    print(f"false claims in {wrong} of {runs} runs: {share:.2%}")
    if FULL:
        return share + 1.645 * (0.05 * 0.95 / runs) ** 0.5 <= 0.06
    return wrong <= stats.binom.ppf(0.999, runs, 0.05)


@pytest.mark.acceptance
@pytest.mark.parametrize("world", NULLS)
def test_nothing_is_claimed_where_nothing_changed(world: str) -> None:
    found = verdicts("restore", NULLS[world])
    assert holds(found[claims.SUPPORTED], RUNS), found
    if "capture" not in world and "correlation" not in world:
        assert found[claims.NOT_DISTINGUISHABLE] > 0.6 * RUNS, found


@pytest.mark.acceptance
@pytest.mark.parametrize("capture", [(0.3, 0.8), (0.8, 0.3)])
def test_nothing_is_claimed_where_minor_ones_come_or_go_without_a_severity(
    capture: tuple[float, float],
) -> None:
    """So many incidents that the plain comparison is wrong three times as often as it says it is."""
    found = verdicts("repair", {"capture": capture, "severity": False, "n": 800})
    assert holds(found[claims.SUPPORTED], RUNS), found
    assert found[claims.NOT_MEASURABLE] < 0.5 * RUNS


@pytest.mark.acceptance
@pytest.mark.parametrize("n", [120, 240])
@pytest.mark.parametrize("correlation", [0.2, 0.4])
def test_nothing_is_claimed_where_one_incident_tells_of_the_next(correlation: float, n: int) -> None:
    """On a clock that is nothing but the correlated part: sparse months hold least of what must stay together."""
    found = verdicts("repair", {"correlation": correlation, "n": n})
    assert holds(found[claims.SUPPORTED], RUNS), found


@pytest.mark.acceptance
@pytest.mark.parametrize("world", ["iid", "recorded earlier", "recorded later"])
def test_time_to_detect_from_onsets_claims_nothing_where_only_recording_changed(world: str) -> None:
    found = verdicts("detect", NULLS[world], anchored=True)
    assert holds(found[claims.SUPPORTED], RUNS), found
    assert found[claims.NOT_MEASURABLE] < 0.3 * RUNS


def test_time_to_detect_is_not_measurable_without_onsets() -> None:
    rows, onsets = history(1, late=(0.45, 0.05))
    before, after, _ = claims.split(rows, CHANGE)
    claim = times.compare(before, after, "detect")
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "recording cannot be told" in claim.text
    half = onsets.assign(onset=onsets["onset"].where(np.arange(len(onsets)) % 2 == 0))
    assert times.compare(before, after, "detect", onsets=half).verdict == claims.NOT_MEASURABLE
    assert times.compare(before, after, "detect", trust_starts=True).verdict != claims.NOT_MEASURABLE


@pytest.mark.acceptance
def test_detection_that_was_halved_is_found_though_recording_changed_too() -> None:
    """60 to 100 % of both periods have an onset: the change is there, and the anchor shows it."""
    runs = 200 if FULL else 12
    found: Counter[str] = Counter()
    for seed in range(SEEDS, SEEDS + runs):
        rows, onsets = history(seed, n=400, late=(0.45, 0.05), detect=0.5)
        kept = np.random.default_rng(seed).random(len(onsets)) < 0.7
        before, after, _ = claims.split(rows, CHANGE)
        claim = times.compare(before, after, "detect", onsets=onsets[kept], by=(), draws=DRAWS)
        found[claim.verdict] += 1
        assert claim.effect < 1 or claim.verdict == claims.NOT_MEASURABLE
    assert found[claims.SUPPORTED] >= (0.85 if FULL else 0.65) * runs, found  # .93 of 200


def test_a_true_change_is_supported_and_said_with_its_size() -> None:
    rows, _ = history(3, n=400, restore=0.4)
    before, after, undated = claims.split(rows, CHANGE)
    claim = times.compare(before, after, "repair")
    assert (claim.verdict, undated) == (claims.SUPPORTED, 0)
    assert claim.interval.low < 0.4 < claim.interval.high < 1
    assert claim.p_value < 0.05
    assert "Supported" in claim.text
    assert " after" in claim.text
    assert "because of" not in claim.text.split("explor")[0]
    assert claim.table["role"].tolist() == ["primary"] + ["exploratory"] * (len(claim.table) - 1)
    assert claims.SUPPORTED not in set(claim.table["verdict"][1:])
    assert (claim.table["p_adjusted"][1:] >= claim.table["p_value"][1:]).all()


def test_more_minor_reports_make_it_not_measurable() -> None:
    rows, _ = history(5, n=400, capture=(0.3, 0.8))
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore")
    assert claim.verdict == claims.NOT_MEASURABLE
    assert claim.reason.startswith("reporting changed")
    assert np.isnan(claim.effect)


def test_without_severity_the_excess_of_reports_may_be_minor_ones() -> None:
    """As many short ones more as there are now: the fall is theirs. A fall of all to 40 % stays one."""
    rows, _ = history(6, n=400, severity=False)
    late = rows["started_at"] >= CHANGE
    extra = rows[late].iloc[::4].reset_index(drop=True)
    extra["incident_id"] = "x" + extra["incident_id"]
    extra["mitigated_at"] = (extra["detected_at"] + pd.Timedelta("2min")).astype(extra["detected_at"].dtype)
    claim = times.compare(rows[~late], pd.concat([rows[late], extra], ignore_index=True), "repair", by=())
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "without a severity" in claim.reason
    fell, _ = history(6, n=400, severity=False, restore=0.4)
    assert times.compare(*claims.split(fell, CHANGE)[:2], "repair", by=()).verdict == claims.SUPPORTED
    severe, _ = history(6, n=400)
    kept, told = reporting.without_excess(severe.assign(late=late, minutes=1.0))
    assert (len(kept), told) == (400, "")


def test_months_are_permuted_where_incidents_tell_of_the_next() -> None:
    rows, _ = history(2, correlation=0.6)
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "repair")
    assert "blocks of months" in claim.text
    short = rows[
        (rows["started_at"] > CHANGE - pd.Timedelta("80D"))
        & (rows["started_at"] < CHANGE + pd.Timedelta("80D"))
    ]
    many, _ = history(2, n=1500, correlation=0.6)
    short = many[
        (many["started_at"] > CHANGE - pd.Timedelta("80D"))
        & (many["started_at"] < CHANGE + pd.Timedelta("80D"))
    ]
    claim = times.compare(*claims.split(short, CHANGE)[:2], "repair")
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "four months" in claim.reason


def test_a_change_from_recorded_starts_alone_is_not_a_claim() -> None:
    rows, _ = history(4, n=600)
    late = rows["started_at"] >= CHANGE
    rows["started_at"] = rows["started_at"].mask(late, rows["detected_at"] - pd.Timedelta("1min"))
    rows.loc[:, ["mitigated_at", "resolved_at"]] = np.nan
    rows["mitigated_at"] = (rows["detected_at"] + pd.Timedelta("2min")).astype(rows["detected_at"].dtype)
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "mitigate")
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "recorded start" in claim.reason


# --- the smallest change that could be seen


@pytest.mark.acceptance
@pytest.mark.parametrize(("n0", "n1", "sigma"), [(25, 25, 1.0), (100, 40, 1.5), (60, 60, 2.0)])
def test_the_smallest_change_agrees_with_a_simulation_of_power(n0: int, n1: int, sigma: float) -> None:
    """The change that is found in 80 % of simulated comparisons, given the true sigma, within a tenth."""
    runs = 4000 if FULL else 420
    stated = permutation.smallest_change(sigma * (1 / n0 + 1 / n1) ** 0.5, n0 + n1 - 2)
    rng = np.random.default_rng(1)
    late = np.arange(n0 + n1) >= n0
    flat = np.zeros(n0 + n1, dtype=int)
    shifts = np.linspace(0.7, 1.3, 7) * stated
    powers = []
    for shift in shifts:
        found = 0
        for run in range(runs // 7):
            logs = sigma * rng.standard_normal(n0 + n1) - shift * late
            test = permutation.by_rows(logs, late, flat, draws=199, seed=run)
            found += test is not None and test.p_value <= 0.05
        powers.append(found / (runs // 7))
    slope, start = np.polyfit(shifts, stats.norm.ppf(np.clip(powers, 0.02, 0.98)), 1)
    simulated = (stats.norm.ppf(0.8) - start) / slope
    cuts = 1 - np.exp(-stated), 1 - np.exp(-simulated)
    assert cuts[0] == pytest.approx(cuts[1], rel=0.1 if FULL else 0.2)


def test_the_smallest_change_gives_the_known_sample_sizes() -> None:
    # METHODS: n per arm for 80 % power at sigma 1.5 is 3182, 710, 278, 74 for a cut by 10, 20, 30, 50 %
    for n, cut in ((3182, 0.1), (710, 0.2), (278, 0.3), (74, 0.5)):
        found = 1 - np.exp(-permutation.smallest_change(1.5 * (2 / n) ** 0.5, 2 * n - 2))
        assert found == pytest.approx(cut, rel=0.02)


def test_the_range_of_the_smallest_change_holds_the_true_one() -> None:
    inside = 0
    for seed in range(60):
        logs = 1.5 * np.random.default_rng(seed).standard_normal(50)
        late = np.arange(50) >= 25
        test = permutation.by_rows(logs, late, np.zeros(50, dtype=int), draws=99)
        assert test is not None
        low, high = claims.mde(test)
        inside += low <= 1 - np.exp(-permutation.smallest_change(1.5 * (2 / 25) ** 0.5, 48)) <= high
    assert stats.binom.ppf(0.001, 60, 0.8) <= inside <= stats.binom.ppf(0.999, 60, 0.8)


# --- the permutation itself


def test_the_p_value_of_all_permutations() -> None:
    """Two of three against three: all 10 splits by hand, the studentised statistic of each by scipy."""
    from itertools import combinations

    logs = np.array([1.0, 2.5, 3.0, 4.2, 5.1, 7.7, 9.3, 9.9])
    late = np.array([False] * 4 + [True] * 4)
    seen = abs(stats.ttest_ind(logs[late], logs[~late], equal_var=False).statistic)
    every = [
        abs(stats.ttest_ind(logs[list(c)], np.delete(logs, list(c)), equal_var=False).statistic)
        for c in combinations(range(8), 4)
    ]
    exact = np.mean(np.array(every) >= seen - 1e-9)
    test = permutation.by_rows(logs, late, np.zeros(8, dtype=int), draws=20_000)
    assert test is not None
    assert test.p_value == pytest.approx(exact, abs=0.01)
    assert test.effect == pytest.approx(logs[late].mean() - logs[~late].mean())
    welch = stats.ttest_ind(logs[late], logs[~late], equal_var=False)
    assert test.effect / test.se == pytest.approx(welch.statistic)
    assert test.df == pytest.approx(welch.df)


def test_strata_take_out_what_they_explain() -> None:
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 40)
    late = np.r_[np.arange(40) < 10, np.arange(40) < 30]
    logs = 5.0 * strata + 0.3 * late + 0.1 * rng.standard_normal(80)
    test = permutation.by_rows(logs, late, strata)
    assert test is not None
    assert test.effect == pytest.approx(0.3, abs=0.1)
    flat = permutation.by_rows(logs, late, np.zeros(80, dtype=int))
    assert flat is not None
    assert flat.effect > 2


def test_holm_equals_the_table_of_his_paper() -> None:
    # R: p.adjust(c(.01, .02, .03, .04), "holm") is .04 .06 .06 .06
    assert permutation.holm(np.array([0.04, 0.01, 0.03, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert len(permutation.holm(np.array([]))) == 0


# --- odd inputs


def test_what_cannot_be_compared_is_refused_or_said() -> None:
    rows, _ = history(7)
    before, after, _ = claims.split(rows, CHANGE)
    with pytest.raises(RefusedError, match="pooled"):
        times.compare(before, after.assign(kind="drill"), "restore")
    drills = before.assign(kind="drill", style="informed"), after.assign(kind="drill", style="uninformed")
    with pytest.raises(RefusedError, match="pooled"):
        times.compare(*drills, "restore")
    with pytest.raises(RefusedError, match="counted twice"):
        times.compare(rows, after, "restore")
    with pytest.raises(InputError, match="no clock"):
        times.compare(before, after, "mttr")


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_incidents_are_not_measurable(n: int) -> None:
    rows, _ = history(7)
    before, after, _ = claims.split(rows, CHANGE)
    claim = times.compare(before, after.iloc[:n], "restore", by=())
    assert claim.verdict == claims.NOT_MEASURABLE
    assert f"and {n} after" in claim.reason


def test_contradictions_and_open_ones_are_left_out_and_counted() -> None:
    rows, _ = history(9, n=400)
    rows.loc[::50, "resolved_at"] = rows["started_at"] - pd.Timedelta("1h")
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore", by=())
    assert "Left out: 8 of 400" in claim.text
    rows.loc[rows["started_at"] >= CHANGE, ["mitigated_at", "resolved_at"]] = np.nan
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore", by=())
    assert claim.verdict == claims.NOT_MEASURABLE


def test_stated_and_derived_durations_are_not_compared_with_each_other() -> None:
    """Two ways of measuring under one name: what people wrote down before, what the moments give after."""
    rows, _ = history(9, n=400)
    early = rows["started_at"] < CHANGE
    rows["stated_restore_min"] = 60.0
    rows.loc[early, ["mitigated_at", "resolved_at"]] = pd.NaT
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore", by=())
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "are the reports' own figures" in claim.reason


def test_many_open_ones_are_not_measurable() -> None:
    rows, _ = history(9, n=400)
    open_ = (rows["started_at"] >= CHANGE) & (np.arange(len(rows)) % 3 == 0)
    rows.loc[open_, ["mitigated_at", "resolved_at"]] = pd.NaT
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore", by=())
    assert claim.verdict == claims.NOT_MEASURABLE
    assert "still open" in claim.reason


def test_equal_durations_have_no_spread_to_compare() -> None:
    rows, _ = history(9)
    rows["resolved_at"] = (rows["started_at"] + pd.Timedelta("1h")).astype(rows["started_at"].dtype)
    claim = times.compare(*claims.split(rows, CHANGE)[:2], "restore", by=())
    assert claim.verdict == claims.NOT_MEASURABLE


def test_severity_is_ranked_as_people_write_it() -> None:
    written = pd.Series(["SEV1", "P3", "sev-2", "Minor", "critical", "High", "odd", None])
    assert reporting.rank(written).tolist()[:6] == [1, 3, 2, 4, 1, 2]
    assert reporting.rank(written).isna().tolist()[6:] == [True, True]
