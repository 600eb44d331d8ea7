"""Series of load for the tests of capacity: planted weeks, and the hours of simulated marketplaces with what is true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from resilience import schema
from resilience.analysis import calendar as business
from resilience.sample import calendar as planted
from resilience.sample import series as simulated
from resilience.sample import truth
from resilience.sample.world import FIRST, World, streams
from resilience.sources import calendar as written

BERLIN = "Europe/Berlin"
MONDAY = pd.Timestamp("2019-06-03", tz=BERLIN)


def rows(
    values: Any,
    *,
    start: pd.Timestamp = MONDAY,
    interval_s: float = 3600.0,
    scope: str = "service:a",
    metric: str = "hits",
    **columns: Any,
) -> pd.DataFrame:
    """Rows of the table series: `values` at even intervals from `start`."""
    at = start.tz_convert("UTC") + pd.to_timedelta(np.arange(len(values)) * interval_s, unit="s")
    common = {
        "metric": metric,
        "scope": scope,
        "interval_s": interval_s,
        "rollup": "sum",
        "unit": "hit",
        "source": "t",
    }
    frame = pd.DataFrame(
        {"at": at.as_unit("us"), "value": np.asarray(values, dtype=float), **common, **columns}
    )
    return schema.frame("series", frame)


def weeks(n: int, growth: float = 0.0, seed: int = 0, sigma: float = 0.05, top: float = 300.0) -> np.ndarray:
    """`n` local weeks of hours: 100 by night, `top` on Monday from 12 to 13, 200 else by day; `growth` per year, noise."""
    at = pd.date_range(MONDAY, periods=n * 168, freq="h")
    shape = np.where((at.hour >= 8) & (at.hour < 20), 200.0, 100.0)
    shape = np.where((at.day_of_week == 0) & (at.hour == 12), top, shape)
    noise = np.random.default_rng(seed).normal(0, sigma, len(at)) if sigma else 0.0
    return shape * np.exp(np.log1p(growth) * np.arange(len(at)) / (365.25 * 24) + noise)


@dataclass(frozen=True)
class Sample:
    """Hours of one simulated marketplace, `hits` and `p95` as rows of series; what is true; what was unlike."""

    world: World
    true: dict[str, Any]
    hits: pd.DataFrame
    p95: pd.DataFrame
    calendar: pd.DataFrame
    incidents: pd.DataFrame

    @property
    def unlike(self) -> dict[str, list[business.Span]]:
        return business.unlike(self.calendar, self.incidents).spans

    @property
    def enlarged(self) -> dict[str, list[business.Span]]:
        return business.unlike(self.calendar, self.incidents, kinds=("enlarged",)).spans


@lru_cache(maxsize=1)
def sample(seed: int, size: str = "small") -> Sample:
    """The hours as monitoring showed them, without a file in between."""
    plan = truth.plan(seed, size=size)
    hours = simulated.calm(plan.world, streams(seed)["series"])
    simulated.apply(plan.world, hours)
    seen, kept = simulated.measured(plan.world, hours)
    names = [f"service:{s.name}" for s in plan.world.services]
    at = pd.date_range(FIRST, periods=len(kept), freq="h").as_unit("us")[kept]
    true = plan.as_dict()

    def table(metric: str, values: np.ndarray, rollup: str, unit: str) -> pd.DataFrame:
        frame = pd.DataFrame(
            {
                "scope": np.repeat(names, len(at)),
                "at": np.tile(at, len(names)),
                "value": values[:, kept].ravel(),
            }
        )
        frame["at"] = frame["at"].dt.tz_localize("UTC") if frame["at"].dt.tz is None else frame["at"]
        return frame.assign(metric=metric, interval_s=3600.0, rollup=rollup, unit=unit, source="t")

    with TemporaryDirectory() as folder:
        planted.write(Path(folder) / "calendar.yml")
        calendar = written.read(Path(folder) / "calendar.yml", "calendar.yml", BERLIN)
    known = [
        {
            "incident_id": i["incident_id"], "services": ", ".join(i["services"]),
            **{f"{m}_at": pd.Timestamp(i[m]) if i[m] else pd.NaT for m in ("started", "mitigated", "resolved")},
        }
        for i in true["incidents"]
    ]  # fmt: skip
    incidents = pd.DataFrame(known)
    return Sample(
        plan.world,
        true,
        table("hits", seen.hits, "sum", "hit"),
        table("p95", seen.p95, "avg", "second"),
        calendar,
        incidents,
    )
