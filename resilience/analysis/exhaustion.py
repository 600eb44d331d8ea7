"""When an ordinary week will need all that a service carries: a range of dates, or not within the horizon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import InputError
from . import trend
from .grid import MONDAY_US, WEEK_US, Grid, Spans, read
from .movement import how_many, owner, service_of

DRAWS = 1000
HORIZON_WEEKS = 52
UNLIKELY = 0.10  # chance below which running out is not within the horizon
MORE = 1e-3  # share by which more must be asked than was seen, so that a steady load is not beyond itself
_STATES = ("exhausted", "within the horizon", "beyond what was seen", "not within the horizon", "not known")
_DATES = ("earliest", "likely", "latest", "since_earliest", "since", "since_latest")


@dataclass(frozen=True)
class Exhaustion:
    """`table`: one row per scope, the first to run out first.

    scope, service; limit (load per interval that it carries; null where not known); at_least (true where the limit is
    only the highest that was seen to be carried); busiest (load expected in the busiest slot of the present ordinary
    week); used (busiest / limit); growth_pct, growth_low, growth_high (per year, 80 %); state (exhausted; within the
    horizon; beyond what was seen: at_least, and more is needed now or within the horizon; not within the horizon; not
    known); chance (that it runs out within the horizon); earliest, likely, latest (10, 50 and 90 % of the dates on which
    the busiest slot of an ordinary week next needs the whole limit; null beyond the horizon); since_earliest, since,
    since_latest (the same of the first such date, where it has passed; null where it may not have been yet);
    horizon_weeks; n_weeks (used), error_pct, naive_pct (backtest 13 weeks ahead: ours, and the same week a year before);
    reason (why not known). `rests_on`: the part of `text` that says how such forecasts went and what they take for granted.
    """

    table: pd.DataFrame
    text: str
    rests_on: str = ""


def exhaustion(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    limits: Mapping[str, float],
    at_least: Iterable[str] = (),
    exclude: Spans | None = None,
    horizon_weeks: int = HORIZON_WEEKS,
    seed: int = 0,
    executor: Executor | None = None,
) -> Exhaustion:
    """Dates on which each scope of `metric` runs out. `limits`: service or scope -> load per interval that it carries.

    `at_least`: those of `limits` that are only the highest load seen to be carried: their dates say until when nothing new
    is asked of them. The horizon is at most as long as the history. Future levels are drawn from the trend (see
    `trend`): if growth goes on as it did, and the week keeps its shape. Sales and holidays do not count (`exclude`).
    A service without a limit is listed as not known. Raises InputError for a limit that is not above zero.
    """
    if wrong := [f"{k}={v:g}" for k, v in limits.items() if not v > 0]:
        raise InputError(f"{', '.join(wrong[:3])} is no load.", remedy="Limits are finite and above zero.")
    if horizon_weeks < 1:
        raise InputError(f"A horizon of {horizon_weeks} weeks shows nothing.", remedy="Give at least one.")
    found = read(series, metric, None, exclude)
    known = [_of(g.scope, limits) for g in found.grids]
    apply = map if executor is None else executor.map
    names = set(at_least)
    vague = [not names.isdisjoint({g.scope, service_of(g.scope)}) for g in found.grids]
    work = partial(one, zone=zone, horizon=horizon_weeks, seed=seed)
    rows = list(apply(work, found.grids, known, vague))
    table = pd.DataFrame(rows)
    table.insert(3, "at_least", vague)
    unseen = table["at_least"] & table["state"].isin(_STATES[:2])
    table["state"] = table["state"].mask(unseen, _STATES[2])
    since = ["since_earliest", "since", "since_latest"]
    table.loc[table["at_least"], since] = pd.NaT  # a limit that holds still was never reached
    for name in _DATES:
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    order = table.assign(
        rank=table["state"].map(_STATES.index), when=table["likely"].fillna(table["earliest"])
    )
    order = order.sort_values(["rank", "when", "used", "scope"], ascending=[True, True, False, True])
    table = (
        table.loc[order.index]
        .reset_index(drop=True)
        .astype({"scope": "str", "service": "str", "reason": "str"})
    )
    tried = _tried(table)
    return Exhaustion(
        table, f"{_text(table, metric, horizon_weeks)}{tried and ' '}{tried}{found.aside}", tried
    )


@dataclass(frozen=True)
class Course:
    """One scope's busiest hour, week by week. `table`: at (UTC, first day of the week), asked (load of the busiest slot as

    the week's level has it; null where the week was no ordinary one or is ahead), expected, low, high (80 %, of what is
    expected, not of single weeks). `limit`: null where it is not known.
    """

    table: pd.DataFrame
    scope: str
    limit: float
    text: str


def course(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str,
    limit: float = np.nan,
    exclude: Spans | None = None,
    horizon_weeks: int = HORIZON_WEEKS,
    seed: int = 0,
) -> Course:
    """How the busiest slot of `scope` went and is expected to go on; arguments and refusals as `exhaustion`."""
    grid = read(series, metric, scope, exclude).grids[0]
    line = trend.fit(grid, zone, limit)
    if line is None:
        none = pd.DataFrame({"at": [], "asked": [], "expected": [], "low": [], "high": []})
        return Course(
            none, scope, limit, f"{scope} has fewer than {trend.MIN_WEEKS} ordinary weeks: no trend is drawn."
        )
    top = float(np.nanmax(line.shape))
    ahead = min(horizon_weeks, len(line.week))
    week = np.r_[line.week, line.origin + 1 + np.arange(ahead)]
    drawn = top * line.levels(week + 0.5, line.draws(DRAWS, seed))
    low, high = np.quantile(drawn, [0.1, 0.9], axis=0)
    table = pd.DataFrame(
        {
            "at": [_day(w) for w in week], "asked": np.r_[top * line.level, np.full(ahead, np.nan)],
            "expected": top * line.levels(week + 0.5), "low": low, "high": high,
        }
    )  # fmt: skip
    growth, least, most = line.growth_pct
    text = (
        f"The busiest hour of {owner(scope)}, each dot one of {line.n} ordinary weeks: {growth:+.0f} % a year "
        f"({least:+.0f} to {most:+.0f} %, 8 chances in 10)"
    )
    if np.isfinite(line.error_pct):
        text += f"; {trend.AHEAD} weeks ahead its level was off by {line.error_pct:.1f} % in the median of {line.n_tried}"
        text += f" (the same week a year before: {line.naive_pct:.1f} %)"
    return Course(table, scope, limit, text + ". The band is what is expected, single weeks stray further.")


def _of(scope: str, limits: Mapping[str, float]) -> float:
    return float(limits.get(scope, limits.get(service_of(scope) or "", np.nan)))


def one(grid: Grid, limit: float, vague: bool, *, zone: str, horizon: int, seed: int) -> dict[str, object]:
    """The row of one scope; `vague`: its limit is only what was seen to be carried."""
    row: dict[str, object] = {
        "scope": grid.scope, "service": service_of(grid.scope), "limit": limit, "busiest": np.nan, "used": np.nan,
        "growth_pct": np.nan, "growth_low": np.nan, "growth_high": np.nan, "state": "not known", "chance": np.nan,
        **dict.fromkeys(_DATES, pd.NaT), "horizon_weeks": 0, "n_weeks": 0, "error_pct": np.nan, "naive_pct": np.nan,
        "reason": None,
    }  # fmt: skip
    line = trend.fit(grid, zone, limit)
    if line is None:
        return {**row, "reason": f"fewer than {trend.MIN_WEEKS} ordinary weeks of values above zero"}
    busy = int(np.nanargmax(line.shape))
    now = line.origin + 1.0
    weeks = min(horizon, len(line.week))
    growth, low, high = (round(pct, 6) + 0.0 for pct in line.growth_pct)
    busiest = float(line.shape[busy] * line.levels(np.array([now]))[0])
    row |= {
        "busiest": busiest, "growth_pct": growth, "growth_low": low, "growth_high": high, "horizon_weeks": weeks,
        "n_weeks": line.n, "error_pct": line.error_pct, "naive_pct": line.naive_pct,
    }  # fmt: skip
    if not limit > 0:
        return {**row, "reason": "what it carries is not known"}
    row["used"] = busiest / limit
    needs = limit * (1 + MORE) if vague else limit
    at = line.week[0] + np.arange((now - line.week[0] + weeks) * 7 + 1) / 7  # days
    rng = np.random.default_rng([seed, 1])
    doubt = np.nan_to_num(line.shape_sd[busy]) * rng.standard_normal(DRAWS)
    over = line.logs(at, line.draws(DRAWS, seed)) >= (np.log(needs / line.shape[busy]) - doubt)[:, None]
    past = at < now
    if float(over[:, past].any(axis=1).mean()) >= 0.5:
        row |= _dates(at, over, ("since_earliest", "since", "since_latest"), until=now)
    ahead = over[:, ~past]
    row["chance"] = 1.0 if busiest >= needs else float(ahead.any(axis=1).mean())
    if busiest >= needs:
        return {**row, "state": "exhausted"}
    if row["chance"] < UNLIKELY:  # type: ignore[operator]
        return {**row, "state": "not within the horizon"}
    return {
        **row,
        "state": "within the horizon",
        **_dates(at[~past], ahead, ("earliest", "likely", "latest")),
    }


def _dates(
    at: np.ndarray, over: np.ndarray, names: tuple[str, str, str], until: float = np.inf
) -> dict[str, object]:
    """First days of `at` in which draws are `over`: 10, 50 and 90 %; null from `until` on, and where most are not."""
    first = np.where(over.any(axis=1), at[np.argmax(over, axis=1)], np.inf)
    found = np.quantile(first, [0.1, 0.5, 0.9], method="inverted_cdf")
    return {name: _day(week) if week < until else pd.NaT for name, week in zip(names, found, strict=True)}


def _day(week: float) -> pd.Timestamp:
    """The day (its midnight UTC) at `week` weeks since 1970."""
    if not np.isfinite(week):
        return pd.NaT
    return pd.Timestamp(int(week * WEEK_US) - MONDAY_US, unit="us", tz="UTC").as_unit("us").normalize()


def _text(table: pd.DataFrame, metric: str, horizon: int) -> str:
    counts, of = table["state"].value_counts(), how_many(table["scope"])
    over, soon, unseen, later, unknown = (int(counts.get(state, 0)) for state in _STATES)
    if unknown == len(table):
        return f"Of none of {of} of {metric} is it known when it runs out: {table['reason'].iloc[0]}."
    says = f"In the busiest hour of an ordinary week {over} of {of} of {metric} already need all that they carry, "
    says += f"{soon} may within {horizon} weeks"
    before = int((table["state"].eq(_STATES[1]) & table["since"].notna()).sum())
    says += f" ({before} of them were beyond it before, in another season)" if before else ""
    says += f", {later} will not"
    says += f"; {unseen} will be asked for more than they were ever seen to carry" if unseen else ""
    says += f"; of {unknown} it is not known" if unknown else ""
    first = table[table["state"] == "within the horizon"]
    if len(first):
        row = first.iloc[0]
        again = ", again" if pd.notna(row["since"]) else ""
        says += (
            f". Next: {row['service'] if pd.notna(row['service']) else row['scope']}{again}, {window(row)}"
        )
    return says + "."


def _tried(table: pd.DataFrame) -> str:
    """What dates rest on; nothing where there are none."""
    if table["used"].isna().all():
        return ""
    says, tried = "", table["error_pct"].notna()
    if tried.any():
        ours, naive = (table.loc[tried, c].median() for c in ("error_pct", "naive_pct"))
        says += f"Tried on the past, the load {trend.AHEAD} weeks ahead was off by {ours:.1f} % in the median"
        says += f" (the same week a year before: {naive:.1f} %). "
    says += "This holds if growth goes on as it did; sales and holidays do not count."
    if (table["state"] == "within the horizon").sum() > 1:
        says += " Services share their good and bad weeks, so that their dates are right or wrong together."
    return says


def window(row: pd.Series) -> str:
    """The 80 % interval of a row's next date in words."""
    latest = f"{row['latest']:%Y-%m-%d}" if pd.notna(row["latest"]) else "after the horizon"
    return f"between {row['earliest']:%Y-%m-%d} and {latest} (8 chances in 10)"
