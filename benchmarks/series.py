"""Reading, keeping and summing up series."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.model.metrics_query_response import MetricsQueryResponse
from datadog_api_client.v2.model.timeseries_formula_query_response import TimeseriesFormulaQueryResponse
from deltalake import DeltaTable, write_deltalake

from resilience import schema
from resilience.analysis import capacity, grid, profile
from resilience.sources import datadog
from resilience.store import Store

from .pairs import compare


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


def week_of_minutes(services: int = 12) -> None:
    """Two years at one minute per service: arrays as the store gives them to quantiles, against the pandas groupby.

    12.6 million points of the 100 million that 24 services x 4 metrics make: each series is computed apart, so that time
    grows with their number and memory does not.
    """
    at = pd.date_range("2020-01-01", periods=2 * 365 * 1440, freq="min", tz="UTC").as_unit("us")
    values = np.random.default_rng(4).gamma(4, 25, (services, len(at)))
    names = [f"service:{i}" for i in range(services)]
    rows = pd.DataFrame(
        {"scope": np.repeat(names, len(at)), "at": np.tile(at, services), "value": values.ravel()}
    )
    micros = at.asi8

    def ours() -> None:
        for name, value in zip(names, values, strict=True):
            profile.week(grid.of_points(name, micros, value, 60_000_000), "Europe/Berlin")

    def groupby() -> pd.Series:
        local = rows["at"].dt.tz_convert("Europe/Berlin")
        hour = local.dt.day_of_week * 24 + local.dt.hour
        return rows.groupby([rows["scope"], hour])["value"].quantile([0.1, 0.5, 0.9, 0.95, 1.0])

    compare(f"hour-of-week quantiles of {len(rows):,} minutes", ours, groupby, "pandas groupby")


def datadog_replies() -> None:
    """100 series x 1500 points, bytes to float arrays, against the client's typed models on the same bytes."""
    rng, at = np.random.default_rng(3), 1_600_000_000_000 + 60_000 * np.arange(1500)
    values = rng.random((100, 1500)).round(4).tolist()
    one = {
        "metric": "m",
        "interval": 60,
        "expression": "avg:m{*}",
        "unit": None,
        "start": int(at[0]),
        "end": int(at[-1]),
    }
    v1 = orjson.dumps(
        {
            "status": "ok", "res_type": "time_series", "query": "avg:m{*} by {service}", "message": "",
            "from_date": int(at[0]), "to_date": int(at[-1]), "group_by": ["service"],
            "series": [
                {**one, "scope": f"service:{i}", "tag_set": [f"service:{i}"], "length": 1500, "display_name": "m",
                 "pointlist": [[float(t), v] for t, v in zip(at.tolist(), row, strict=True)]}
                for i, row in enumerate(values)
            ],
        }
    )  # fmt: skip
    groups = [{"group_tags": [f"service:{i}"], "query_index": 0, "unit": None} for i in range(100)]
    found = {"series": groups, "times": at.tolist(), "values": values}
    v2 = orjson.dumps({"data": {"id": "0", "type": "timeseries_response", "attributes": found}})
    query = {"data_source": "metrics", "name": "a", "query": "avg:m{*} by {service}"}
    asked = {"interval": 60_000, "queries": [query], "formulas": [{"formula": "a"}]}
    request = {"data": {"type": "timeseries_request", "attributes": asked}}

    def typed(raw: bytes, model: type) -> Callable[[], object]:
        client = ApiClient(Configuration(api_key={"apiKeyAuth": "x", "appKeyAuth": "x"}))
        text = raw.decode()
        return lambda: client.deserialize(text, (model,), True)

    def raw_v1() -> object:
        return datadog.points_v1(datadog.loads(v1), where="benchmark")

    def raw_v2() -> object:
        return datadog.points(request, datadog.loads(v2), where="benchmark", interval_s=60)

    compare(
        "v1 reply to float arrays, 150 000 points", raw_v1, typed(v1, MetricsQueryResponse), "typed client"
    )
    compare(
        "v2 reply to float arrays, 150 000 points",
        raw_v2,
        typed(v2, TimeseriesFormulaQueryResponse),
        "typed client",
    )


def main() -> None:
    rows = hourly(services=60, weeks=104)
    with tempfile.TemporaryDirectory() as name:
        saved_response(Path(name))
        store_again(Path(name), rows)
    datadog_replies()
    week_profile(rows)
    week_of_minutes()
