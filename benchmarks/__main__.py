"""Each line: what we do, the obvious alternative, and how many times faster ours is, as the median of paired runs."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from deltalake import DeltaTable, write_deltalake

from resilience import schema
from resilience.analysis import capacity
from resilience.sources import datadog
from resilience.store import Store

PAIRS = 5


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name: str, ours: Callable[[], object], other: Callable[[], object], what: str) -> None:
    """Run both in turn, so that a machine that slows down slows both; print the medians and the median ratio."""
    pairs = [(seconds(ours), seconds(other)) for _ in range(PAIRS)]
    ratio = statistics.median(b / a for a, b in pairs)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{name:44} {mine * 1e3:9.1f} ms   {what}: {theirs * 1e3:9.1f} ms   {ratio:6.1f}x", flush=True)


def hourly(services: int, weeks: int) -> pd.DataFrame:
    """Hourly points of one metric for `services` services."""
    at = pd.date_range("2020-01-06", periods=weeks * 168, freq="h", tz="UTC").as_unit("us")
    values = np.random.default_rng(1).gamma(4, 25, services * len(at))
    common = {"metric": "hits", "interval_s": 3600.0, "rollup": "sum", "unit": None, "source": "benchmark"}
    scope = np.repeat([f"service:{i}" for i in range(services)], len(at))
    return schema.frame(
        "series", pd.DataFrame({"scope": scope, "at": np.tile(at, services), "value": values, **common})
    )


def saved_response(folder: Path) -> None:
    """A saved v1 reply of 100 series x 1500 points against a loop over its points."""
    points = np.random.default_rng(2).random(1500).round(4).tolist()
    pairs = [[1.6e12 + 60_000 * i, value] for i, value in enumerate(points)]
    series = [
        {"metric": "m", "scope": f"service:{i}", "tag_set": [f"service:{i}"], "interval": 60, "expression": "avg:m{*}",
         "unit": None, "pointlist": pairs}
        for i in range(100)
    ]  # fmt: skip
    path = folder / "response.json"
    path.write_text(json.dumps({"status": "ok", "series": series}), encoding="utf-8")

    def loop() -> pd.DataFrame:
        body = json.loads(path.read_text(encoding="utf-8"))
        return pd.DataFrame(
            [
                {
                    "metric": s["metric"],
                    "scope": s["scope"],
                    "at": pd.Timestamp(at, unit="ms", tz="UTC"),
                    "value": value,
                }
                for s in body["series"]
                for at, value in s["pointlist"]
            ]
        )

    compare(
        "read a saved response, 150 000 points", lambda: datadog.read_saved(path), loop, "json and a loop"
    )


def store_again(folder: Path, rows: pd.DataFrame) -> None:
    """A second upsert of the same rows, which commits nothing, against a merge that updates whatever matches."""
    store = Store(folder / "ours")
    store.upsert("series", rows)
    write_deltalake(other := str(folder / "other"), rows)
    match = " AND ".join(f"t.{column} = s.{column}" for column in schema.key("series"))

    def merge() -> None:
        DeltaTable(other).merge(
            rows, match, "s", "t"
        ).when_matched_update_all().when_not_matched_insert_all().execute()

    compare(
        f"upsert {len(rows):,} unchanged rows", lambda: store.upsert("series", rows), merge, "plain merge"
    )


def week_profile(rows: pd.DataFrame) -> None:
    """Hour-of-week quantiles against the pandas groupby of the same."""

    def groupby() -> pd.Series:
        local = rows["at"].dt.tz_convert("Europe/Berlin")
        hour = local.dt.day_of_week * 24 + local.dt.hour
        return rows.groupby([rows["scope"], hour])["value"].quantile([0.1, 0.5, 0.9, 0.95, 1.0])

    compare(
        f"hour-of-week quantiles of {len(rows):,} points",
        lambda: capacity.profile(rows, "Europe/Berlin", metric="hits"),
        groupby,
        "pandas groupby",
    )


def main() -> int:
    rows = hourly(services=60, weeks=104)
    with tempfile.TemporaryDirectory() as name:
        saved_response(Path(name))
        store_again(Path(name), rows)
    week_profile(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
