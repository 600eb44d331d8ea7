"""How much load a service carries within its objective: where the objective breaks, or at least what was seen to be carried.

100 - CPU is not headroom: a service may break at 40 % of its processors, or run well at 90.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from .grid import DAY_US, MONDAY_US, WEEK_US, Grid, Series, Spans, local, read
from .movement import how_many, service_of
from .selection import row_quantiles
from .trend import folded

WEEKS = 52  # what was carried longer ago says little of what is carried now
MIN_VALUES = 168
MIN_BROKEN, MIN_DAYS = 10, 3  # intervals broken beyond the limit, and days on which, before it is believed
ALWAYS = 0.25  # share of the quieter half of intervals broken, from which it is not the load that breaks it
DRAWS = 200


@dataclass(frozen=True)
class Headroom:
    """`table`: one row per scope, those whose limit is known first, then by name.

    scope, service; limit (load per interval at which breaking the objective becomes likelier than keeping it; where that
    never happened the highest load that kept it); low, high (95 % interval of a limit that was seen; null else);
    at_least (true where the limit is only what was seen to be carried); peak (highest load of the weeks looked at);
    n (intervals used), n_broken (of them with the objective broken), days_broken; n_unknown (intervals without load or
    response); objective (in the unit of the response; median over weeks where it is a multiple of the usual); reason (why
    nothing can be said). `goal`: the part of `text` that says what the objective is.
    """

    table: pd.DataFrame
    text: str
    goal: str = ""

    @property
    def limits(self) -> dict[str, float]:
        """Scope -> load per interval that it carries, as `exhaustion` and `what_if` take it; those at least too."""
        rows = self.table.dropna(subset="limit")
        return dict(zip(rows["scope"], rows["limit"], strict=True))

    @property
    def sure(self) -> dict[str, float]:
        """Service or scope -> the low end of its limit, of those whose limit was seen: what `safe_windows` may count on."""
        rows = self.table[~self.table["at_least"]].dropna(subset="low")
        return dict(zip(rows["service"].fillna(rows["scope"]), rows["low"], strict=True))

    @property
    def at_least(self) -> list[str]:
        """Scopes of which only the highest load carried is known."""
        return list(self.table.loc[self.table["at_least"] & self.table["limit"].notna(), "scope"])


def headroom(
    load: pd.DataFrame,
    response: pd.DataFrame,
    zone: str,
    *,
    load_metric: str,
    response_metric: str,
    at_most: float | None = None,
    times_usual: float | None = None,
    exclude: Spans | None = None,
    weeks: int = WEEKS,
    seed: int = 0,
) -> Headroom:
    """Load at which `response_metric` (latency, share of errors) exceeds its objective, per scope that has both.

    `load`, `response`: rows of `series`, at one interval. The objective is `at_most` in the unit of the response, or
    `times_usual` its median in the quieter half of the same week: give one of them. `exclude`: incidents, experiments and
    times of another capacity; sales belong in, since they show what is carried. Looked at are the last `weeks`.

    The limit is the load that best parts intervals that kept the objective from those that broke it (fewest on the wrong
    side: where isotonic regression of broken on load crosses a half), its interval from resampled days (Efron and
    Tibshirani, 1993). It is believed where at least ten intervals on three days broke beyond it; else load never came near
    enough, and the highest that kept the objective is what is known. Raises InputError where there is no objective or no
    scope with both, RefusedError where intervals differ.
    """
    threshold = _objective(at_most, times_usual)
    loads, answers = (
        read(rows, name, None, exclude) for rows, name in ((load, load_metric), (response, response_metric))
    )
    if loads.step_us != answers.step_us:
        raise RefusedError(
            f"{load_metric} comes at {loads.step_us / 1e6:g} s, {response_metric} at {answers.step_us / 1e6:g} s.",
            remedy="Choose rows of one interval.",
        )
    of = {grid.scope: grid for grid in answers.grids}
    both = [(grid, of[grid.scope]) for grid in loads.grids if grid.scope in of]
    if not both:
        raise InputError(
            f"No scope has both {load_metric} and {response_metric}.",
            remedy="Ingest both for the same scopes.",
        )
    rows = [_one(*_together(a, b, weeks), a.scope, zone, threshold, seed) for a, b in both]
    for grid in loads.grids:
        if grid.scope not in of:
            why = "cannot be read" if grid.scope in answers.refused else "is not there"
            rows.append(_nothing(grid.scope, f"{response_metric} {why}"))
    table = pd.DataFrame(rows).astype({"scope": "str", "service": "str", "reason": "str", "at_least": bool})
    table["known"] = table["limit"].isna() * 2 + table["at_least"]
    table = table.sort_values(["known", "scope"], ignore_index=True).drop(columns="known")
    goal = _goal(answers, at_most, times_usual, weeks)
    return Headroom(table, f"{goal} {_text(table)}{loads.aside or answers.aside}", goal)


def unknown(response_metric: str) -> Headroom:
    """Nothing known: there is no series of the response."""
    table = pd.DataFrame(columns=list(_nothing("", None))).astype({"limit": float, "at_least": bool})
    return Headroom(
        table, f"There is no series of {response_metric}: what is carried within an objective is not known."
    )


def objective(text: str) -> tuple[str | None, dict[str, Any]]:
    """'METRIC < 0.8' -> the metric and at_most, '1.5x' -> None and times_usual, as `headroom` takes them.

    Raises InputError for anything else.
    """
    metric, bound, written = (part.strip() for part in text.rpartition("<"))
    try:
        value = float(written.lower().removeprefix("=").removesuffix("x"))
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0) or (bound and not metric):
        raise InputError(
            f"{text!r:.80} is no objective.",
            remedy="Write METRIC < 0.8 for the highest response allowed, or METRIC < 1.5x for times its usual.",
        )
    return metric or None, {"times_usual" if written.lower().endswith("x") else "at_most": value}


_Threshold = Callable[[Grid, Grid, str], np.ndarray]


def _objective(at_most: float | None, times_usual: float | None) -> _Threshold:
    given = [v for v in (at_most, times_usual) if v is not None]
    if len(given) != 1 or not given[0] > (1 if times_usual else 0):
        raise InputError(
            "There is no objective to break.",
            remedy="Give the highest response allowed, or how many times the usual one (above 1).",
        )

    def threshold(load: Grid, response: Grid, zone: str) -> np.ndarray:
        if at_most is not None:
            return np.full(len(load.value), float(at_most))
        weeks, loads = folded(load, zone)
        _, answers = folded(response, zone)
        middle = np.array([0.5])
        quiet = loads <= row_quantiles(loads, middle)[0]
        usual = row_quantiles(np.where(quiet, answers, np.nan), middle)[0][:, 0]
        week = (local(load.edges, zone) + MONDAY_US) // WEEK_US
        return np.asarray(times_usual * usual[week - weeks[0]])

    return threshold


def _together(load: Grid, response: Grid, weeks: int) -> tuple[Grid, Grid]:
    """Both on the same intervals: the last `weeks` of the load."""
    step = load.step_us
    last = load.end_us + step
    first = max(load.start_us, last - weeks * WEEK_US)
    n = (last - first) // step

    def cut(grid: Grid) -> Grid:
        found = np.full(n, np.nan)
        shift = (grid.start_us - first) // step
        low, high = max(shift, 0), min(shift + len(grid.value), n)
        if low < high and (grid.start_us - first) % step == 0:
            found[low:high] = grid.kept[low - shift : high - shift]
        return Grid(grid.scope, first, step, found)

    return cut(load), cut(response)


def _nothing(scope: str, reason: str | None) -> dict[str, object]:
    return {
        "scope": scope, "service": service_of(scope), "limit": np.nan, "low": np.nan, "high": np.nan, "at_least": False,
        "peak": np.nan, "n": 0, "n_broken": 0, "days_broken": 0, "n_unknown": 0, "objective": np.nan, "reason": reason,
    }  # fmt: skip


def _one(
    load: Grid, response: Grid, scope: str, zone: str, threshold: _Threshold, seed: int
) -> dict[str, object]:
    bound = threshold(load, response, zone)
    used = ~np.isnan(load.value) & ~np.isnan(response.value) & ~np.isnan(bound) & (load.value > 0)
    row = _nothing(scope, None) | {"n": int(used.sum()), "n_unknown": int((~used).sum())}
    if used.sum() < MIN_VALUES:
        return {
            **row,
            "reason": f"{int(used.sum())} intervals with load and response; {MIN_VALUES} are needed",
        }
    order = np.argsort(load.value[used], kind="stable")
    x = load.value[used][order]
    broken = (response.value > bound)[used][order]
    day = (local(load.edges[used], zone) // DAY_US)[order]
    row |= {
        "peak": float(x[-1]), "objective": float(np.nanmedian(bound)), "n_broken": int(broken.sum()),
        "days_broken": len(np.unique(day[broken])),
    }  # fmt: skip
    if broken[: len(x) // 2].mean() >= ALWAYS:
        return {**row, "reason": "the objective is broken at any load"}
    place = _parting(broken)
    beyond = broken[place:]
    if beyond.sum() < MIN_BROKEN or len(np.unique(day[place:][beyond])) < MIN_DAYS:
        return {**row, "limit": float(x[~broken].max()), "at_least": True}
    limit = _at(x, place)
    low, high = np.quantile(_resampled(x, broken, day, limit, seed), [0.025, 0.975])
    return {**row, "limit": limit, "low": float(low), "high": float(high)}


def _resampled(x: np.ndarray, broken: np.ndarray, day: np.ndarray, limit: float, seed: int) -> list[float]:
    """The limit as other days would have given it."""
    near = x >= limit / 2  # what happens far below does not move it
    x, broken = x[near], broken[near]
    days, code = np.unique(day[near], return_inverse=True)
    again = np.random.default_rng(seed).multinomial(len(days), np.full(len(days), 1 / len(days)), size=DRAWS)
    return [_at(x, _parting(broken, weight[code].astype(float))) for weight in again]


def _parting(broken: np.ndarray, weight: np.ndarray | None = None) -> int:
    """Index from which, in order of load, broken is likelier: fewest broken before it and kept from it on."""
    sign = np.where(broken, 1.0, -1.0)
    cost = np.r_[0.0, np.cumsum(sign if weight is None else sign * weight)]
    return len(cost) - 1 - int(np.argmin(cost[::-1]))  # of equals the highest load


def _at(x: np.ndarray, place: int) -> float:
    """Load halfway between the last that kept and the first that broke."""
    return float(x[-1]) if place >= len(x) else float(x[max(place - 1, 0)] + x[place]) / 2


def _goal(answers: Series, at_most: float | None, times: float | None, weeks: int) -> str:
    goal = (
        f"at most {at_most:g} {answers.unit}".strip()
        if at_most is not None
        else f"at most {times:g} times its usual"
    )
    says = f"Objective: {answers.metric} {goal}, within the last {weeks} weeks"
    if answers.rollup == "avg":
        says += f"; averaged over {answers.step_us / 6e7:g} min, so that it breaks for moments at less load"
    return says + "."


def _text(table: pd.DataFrame) -> str:
    seen = table["limit"].notna() & ~table["at_least"]
    least, unknown = int(table["at_least"].sum()), int(table["limit"].isna().sum())
    says = f"Load broke it on {int(seen.sum())} of {how_many(table['scope'])}, whose limit is known; {least} carried all "
    says += "that was asked of them, so that they carry at least the observed peak"
    says += f"; of {unknown} nothing can be said" if unknown else ""
    return says + "."
