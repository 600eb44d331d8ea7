"""Saved Datadog replies, parsed without the code that wrote them and without the reader."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pandas as pd


def parse(folder: Path) -> dict[tuple[str, str, int], pd.Series]:
    """(metric, scope, interval in s) -> values by UTC time, parsed here from the saved replies."""
    found: dict[tuple[str, str, int], list[pd.Series]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        body = json.loads(path.read_bytes())
        if "response" in body:
            asked, reply = (body[part]["data"]["attributes"] for part in ("request", "response"))
            times = pd.to_datetime(reply["times"], unit="ms", utc=True)
            for series, values in zip(reply["series"], reply["values"], strict=True):
                query = asked["queries"][series["query_index"]]["query"]
                metric = re.match(r"\w+:([\w.]+)\{", query)[1]  # type: ignore[index]
                key = (metric, ",".join(sorted(series["group_tags"])), asked["interval"] // 1000)
                found[key].append(pd.Series(values, index=times, dtype=float))
        else:
            for series in body["series"]:
                at, values = zip(*series["pointlist"], strict=True)
                key = (series["metric"], series["scope"], series["interval"])
                found[key].append(
                    pd.Series(values, index=pd.to_datetime(at, unit="ms", utc=True), dtype=float)
                )
    joined = {key: pd.concat(parts).sort_index(kind="stable") for key, parts in found.items()}
    for key, values in joined.items():  # two windows may overlap; then they agree
        again = values[values.index.duplicated(keep=False)].groupby(level=0)
        assert (again.max() - again.min()).fillna(0).eq(0).all(), key
    return {key: values[~values.index.duplicated()] for key, values in joined.items()}
