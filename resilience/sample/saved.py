"""Datadog timeseries responses as they go over the wire, saved as files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson


def _unit(family: str, number: int, name: str, short: str, plural: str) -> dict[str, Any]:
    return {
        "family": family,
        "id": number,
        "name": name,
        "short_name": short,
        "plural": plural,
        "scale_factor": 1.0,
    }


_UNITS = {
    "request": _unit("network", 29, "request", "req", "requests"),
    "second": _unit("time", 11, "second", "s", "seconds"),
    "percent": _unit("percentage", 17, "percent", "%", "percent"),
    "message": _unit("general", 63, "message", "msg", "messages"),
}


@dataclass(frozen=True)
class Query:
    """One metric query: `expression` without its rollup, the aggregator in time, the unit, digits worth keeping."""

    metric: str
    unit: str
    over_time: str
    digits: int
    by: tuple[str, ...] = ("service",)
    filters: str = "env:prod"

    def expression(self, interval_s: int) -> str:
        across = "sum" if self.over_time == "sum" else "max" if self.over_time == "max" else "avg"
        by = f" by {{{','.join(self.by)}}}" if self.by else ""
        count = ".as_count()" if self.over_time == "sum" else ""
        return f"{across}:{self.metric}{{{self.filters}}}{by}{count}.rollup({self.over_time}, {interval_s})"

    def unit_pair(self) -> list[dict[str, Any] | None]:
        per_second = _UNITS["second"] if self.metric.endswith(".rate") else None
        return [_UNITS[self.unit], per_second]


Asked = tuple[Query, list[tuple[str, ...]], np.ndarray]  # query, group tags per row, values (rows, times)


def v2(
    path: Path,
    asked: list[Asked],
    first: datetime,
    interval_s: int,
    keep: np.ndarray,
) -> None:
    """Writes `{"request": …, "response": …}`. A NaN in a value table is null.

    `first` is the left edge of the first interval; only the intervals where `keep` is true come back.
    """
    start, step, count = round(first.timestamp() * 1000), interval_s * 1000, len(keep)
    names = "abcdefgh"[: len(asked)]
    request = {
        "from": start,
        "to": start + count * step,
        "interval": step,
        "formulas": [{"formula": name} for name in names],
        "queries": [
            {"data_source": "metrics", "name": name, "query": query.expression(interval_s)}
            for name, (query, _, _) in zip(names, asked, strict=True)
        ],
    }
    series, values = [], []
    for index, (query, tags, table) in enumerate(asked):
        for row_tags, row in zip(tags, table, strict=True):
            series.append({"group_tags": list(row_tags), "query_index": index, "unit": query.unit_pair()})
            values.append(_numbers(row[keep], query.digits))
    times = (start + step * np.flatnonzero(keep)).tolist()
    response = {"series": series, "times": times, "values": values}
    _dump(
        path,
        {
            "request": {"data": {"type": "timeseries_request", "attributes": request}},
            "response": {"data": {"id": "0", "type": "timeseries_response", "attributes": response}},
        },
    )


def v1(
    path: Path,
    query: Query,
    scopes: list[tuple[str, ...]],
    table: np.ndarray,
    first: datetime,
    interval_s: int,
) -> None:
    """Writes the body of a v1 reply as it is. `table`: (scopes, times); NaN is null."""
    start, step, count = round(first.timestamp() * 1000), interval_s * 1000, table.shape[1]
    times = (start + step * np.arange(count)).tolist()
    series = [
        {
            "unit": query.unit_pair(),
            "query_index": 0,
            "aggr": query.over_time,
            "metric": query.metric,
            "tag_set": list(tags),
            "expression": query.expression(interval_s),
            "scope": ",".join(tags) or "*",
            "interval": interval_s,
            "length": count,
            "start": times[0],
            "end": times[-1] + step - 1,
            "pointlist": [list(point) for point in zip(times, _numbers(row, query.digits), strict=True)],
            "display_name": query.metric,
            "attributes": {},
        }
        for tags, row in zip(scopes, table, strict=True)
    ]
    _dump(
        path,
        {
            "status": "ok",
            "res_type": "time_series",
            "resp_version": 1,
            "query": query.expression(interval_s),
            "from_date": times[0],
            "to_date": times[-1] + step,
            "series": series,
            "values": [],
            "times": [],
            "message": "",
            "group_by": list(query.by),
        },
    )


def _numbers(row: np.ndarray, digits: int) -> list[float | int | None]:
    rounded = np.round(row, digits)
    known = np.isfinite(rounded)
    numbers = np.where(known, rounded, 0)
    plain: list[float | int | None] = (numbers.astype(np.int64) if digits == 0 else numbers).tolist()
    for gap in np.flatnonzero(~known):
        plain[gap] = None
    return plain


def _dump(path: Path, body: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(body) + b"\n")
