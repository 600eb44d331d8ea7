"""Series as they should not be on the way that users take: CSVs, a store, every command of series, the page of capacity."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from resilience.cli import main
from resilience.views import LATENCY, REQUESTS

from .sizes import FULL, at_full_size

N = 168 * 60
AT = pd.date_range("2019-06-03", periods=N, freq="h", tz="UTC")
INCIDENT = """# Checkout answers with errors

**Severity:** SEV2
**Services:** a, b

All times in UTC.

| Field | Value |
|---|---|
| Started | 2020-02-03 10:00 |
| Detected | 2020-02-03 10:05 |
| Resolved | 2020-02-03 11:20 |
"""
MAPPING = """layout: long
time: {{column: timestamp, zone: UTC}}
interval: 3600
metric_column: metric
value_column: value
scope: {{service: service}}
metrics:
  - {{name: hits, metric: {hits}, unit: hit, rollup: {rollup}}}
  - {{name: p95, metric: {p95}, unit: second, rollup: avg}}
"""
CALLS = {
    "capacity": (), "capacity --hours": (), "headroom": ("limit", "used", "growth_pct", "earliest", "since"),
    "headroom --limit a=1000": ("busiest", "used", "growth_pct", "earliest", "since", "chance"),
    "headroom --objective 0.8": ("limit", "used", "growth_pct"), "what-if --instances 3": ("peak", "used", "carries_times"),
    "what-if --limit a=100 --times 2": ("peak", "used", "carries_times", "over_min_per_week"),
    "forecast": ("expected", "low80", "high95", "gain_pct", "covered80"), "forecast --hours": ("expected", "low80"),
    "windows --target a --all": ("room",),
    "windows --target a --stopped --limit a=1000 --all": ("room", "backlog", "drain_min"),
    "impact": ("expected", "lost", "lost_low", "lost_high", "lost_pct", "came_back"),
    "onsets": ("onset_at", "strength", "late_min"), "onsets --monitors": ("saved_min",), "dependencies": ("correlation",),
    "roots 2020-02-03T10:00Z 2020-02-03T16:00Z --reference 2020-01-01T00:00Z 2020-02-01T00:00Z": ("onset_at",),
}  # fmt: skip
"""Commands, and what each may not state where there is no value at all or only one."""


def usual(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.05, N)
    return (100 + 50 * np.sin(np.arange(N) * np.pi / 12)) * np.exp(noise)


def series(kind: str) -> tuple[pd.DatetimeIndex, np.ndarray]:
    rng = np.random.default_rng(0)
    half = np.cumsum(rng.poisson(20, N // 2) + 1.0)
    return {
        "constant": (AT, np.full(N, 100.0)),
        "null": (AT, np.full(N, np.nan)),
        "one point": (AT[:1], np.array([100.0])),
        "two points": (AT[[0, -1]], np.array([100.0, 101.0])),
        "uneven": (AT + pd.to_timedelta(rng.integers(0, 3000, N), unit="s"), usual(1)),
        "counter": (AT, np.r_[half, half]),
        "twice": (AT.append(AT[[77]]), np.r_[usual(2), 7.0]),
        "zeros": (AT, np.zeros(N)),
        "some infinite": (AT, np.where(np.arange(N) % 50 == 7, np.inf, usual(3))),
        "infinite": (AT, np.full(N, -np.inf)),
        "negative": (AT, -usual(4)),
        "huge": (AT, usual(5) * 1e300),
        "tiny": (AT, usual(6) * 1e-300),
        "years apart": (AT[[0, 1]].append(AT[[-1]] + pd.Timedelta(days=900)), np.array([1.0, 2.0, 4.0])),
    }[kind]


KINDS = (
    *("constant", "null", "one point", "two points", "uneven", "counter", "twice", "zeros"),
    *("some infinite", "infinite", "negative", "huge", "tiny", "years apart"),
)
NOTHING = {"null", "one point", "infinite"}
ROLLUPS = ("sum", "last") if FULL else ("sum",)


def store(folder: Path, kind: str, rollup: str) -> None:
    """Four services whose requests and latency are both such a series, and an incident of two of them."""
    (folder / "data" / "series").mkdir(parents=True)
    (folder / "data" / "incidents").mkdir()
    at, value = series(kind)
    shown = pd.DataFrame({"timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "value": value})
    rows = [shown.assign(service=s, metric=m) for s in "abcd" for m in ("hits", "p95")]
    pd.concat(rows).to_csv(folder / "data" / "series" / "odd.csv", index=False)
    mapping = MAPPING.format(hits=REQUESTS, p95=LATENCY, rollup=rollup)
    (folder / "data" / "series" / "mapping.yml").write_text(mapping)
    (folder / "data" / "incidents" / "checkout.md").write_text(INCIDENT)


def run(call: str) -> Result:
    """The command, with every warning an error: none may reach a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = CliRunner().invoke(main, call.split())
    assert found.exception is None or isinstance(found.exception, SystemExit), (call, found.exception)
    return found


@pytest.mark.parametrize("rollup", ROLLUPS)
@pytest.mark.parametrize("kind", KINDS if FULL else ("null", "one point"))
def test_every_command_answers_or_refuses(
    kind: str, rollup: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, kind, rollup)
    monkeypatch.chdir(tmp_path)
    assert run("ingest").exit_code == 0
    answered = 0
    for call, unknown in CALLS.items():
        found = run(f"{call} --format json")
        if found.exit_code:
            assert found.exit_code == 2
            assert found.stderr.startswith("Error: ")
            continue
        answered += 1
        rows = pd.DataFrame(json.loads(found.stdout, parse_constant=pytest.fail))
        if kind in NOTHING and len(rows):
            kept = rows[rows["scope"] == "service:a"] if "--limit" in call and "scope" in rows else rows
            assert kept[[c for c in unknown if c in kept]].isna().all(axis=None), (call, kept)
    assert answered or kind == "counter"


def test_what_never_changes_is_not_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, "constant", "sum")
    monkeypatch.chdir(tmp_path)
    run("ingest")
    assert "no hour of its week is known to be busier" in run("capacity").output
    left = pd.DataFrame(json.loads(run("headroom --format json").stdout))
    assert set(left["state"]) == {"not within the horizon"}, "as much as was seen is not more than was seen"
    assert (left["growth_pct"] == 0).all()
    assert "it never strayed" in run("forecast").output
    assert "No onset was found" in run("onsets").output
    assert run("dependencies").output.startswith("No candidate")


def test_names_without_a_series_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, "constant", "sum")
    monkeypatch.chdir(tmp_path)
    run("ingest")
    calls = ("headroom --limit x=5", "what-if --instances x=5", "windows --target a --limit x=5")
    for call, option in zip(calls, ("--limit", "--instances", "--limit"), strict=True):
        assert run(call).stderr.startswith(f"Error: {option} names x, of which there is no load.")
    assert "A horizon of 0 weeks shows nothing" in run("headroom --horizon 0").stderr


@at_full_size("a page of every kind")
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_made_or_says_why_not(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, kind, "sum")
    monkeypatch.chdir(tmp_path)
    run("ingest")
    made = CliRunner().invoke(main, ["render", "capacity"])
    page = tmp_path / "reports" / "capacity" / ("failure.html" if made.exit_code else "report.html")
    text = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
    assert "Traceback" not in made.output
    if made.exit_code:
        assert kind in ("uneven", "counter")
        assert "RefusedError: " in made.output
        return
    for word in (">nan<", ">inf<", ">NaN<", ">-inf<", "nan %", "inf %", "NaT"):
        assert word not in text
