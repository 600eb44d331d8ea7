"""How often each failure class hits each service and what it costs, with intervals, also where nothing happened yet.

150 services x 12 classes are 1 800 cells for some hundred incidents: most have none, and the worst of the rest were
partly unlucky. Each cell's rate is therefore shrunk towards what its class, its service and services like it would
make one expect (`rates`), and its cost is what incidents of the class last, times how severe they are at the service.

Counts are sums of label probabilities x service shares, so they need not be whole, and doubt about labels widens
the interval. The fall that shrinkage predicts is the fall to expect if nobody does anything: regression to the mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from .. import plain_text
from ..errors import InputError
from . import rates
from .attribution import NOT_STATED, PRODUCTION

YEAR = pd.Timedelta(days=365.25)
LOSS_UNIT = "severity-weighted minutes a year"
LEAST_YEARS = 0.25  # a shorter history would turn one incident into a rate of many a year
_ALIKE = 12.0  # incidents that the overall mean severity weighs, where that of a criticality is estimated
_TABLE = (
    "failure_class", "service", "environment", "n", "raw_rate", "rate", "rate_low", "rate_high", "expected_fall_pct",
    "severity", "minutes", "minutes_low", "minutes_high", "loss", "loss_low", "loss_high", "observed_minutes",
    "n_minutes", "last_at",
)  # fmt: skip


@dataclass(frozen=True)
class Burden:
    """`table`, one row per class, service and environment, most loss first:

    n (expected incidents: label probability x share of the service); raw_rate (n per year); rate with
    rate_low and rate_high (posterior mean and 95 % interval, per year); expected_fall_pct (by how much the
    posterior lies below the raw rate: the fall to expect without any effect; null where n is 0); severity
    (expected weight of an incident there, worst = 1); minutes with minutes_low and minutes_high (expected
    minutes of an incident of the class); loss with loss_low and loss_high (rate x severity x minutes:
    severity-weighted minutes per year); observed_minutes (minutes of its incidents, weighted by n, no
    severity) from n_minutes incidents; last_at (last incident that is at least as likely as not there).
    `shape` and `scale`: the Gamma posterior of each row (scale in 1/years). `years`: length of history.
    """

    table: pd.DataFrame
    text: str
    years: float
    start: pd.Timestamp
    end: pd.Timestamp
    shape: np.ndarray
    scale: np.ndarray

    def chance_of_at_most(self, rows: np.ndarray, count: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Posterior predictive chance of at most `count` incidents within `years` in the given rows, if nothing changes."""
        shape, rate = self.shape[rows], 1 / self.scale[rows]
        below = np.floor(count)
        chance = special.betainc(shape, np.maximum(below, 0) + 1, rate / (rate + np.maximum(years, 1e-9)))
        found: np.ndarray = np.where(below < 0, 0.0, chance)  # negative binomial: no count lies below nought
        return found


def estimate(
    touches: pd.DataFrame,
    classes: Iterable[str],
    facts: pd.DataFrame,
    *,
    end: pd.Timestamp,
    start: pd.Timestamp | None = None,
) -> Burden:
    """Burden of every class at every service, from what happened before `end` (aware).

    `touches` comes from `attribution.touches`; `facts` has one row per service: `service`, and where known
    `criticality` (1 = sales stop without it), `kind`, `traffic` (mean requests/s) and `callers` (how many call it).
    Services of `touches` that `facts` lacks are added. History begins at `start`, else at the first incident. Incidents
    without any time count, as their report exists. Raises InputError for a naive `end`.
    """
    if end.tzinfo is None:
        raise InputError(
            "The end of the history has no zone.", remedy="Give a moment such as 2020-11-30T00:00Z."
        )
    rows = touches[~(touches["at"] >= end)]
    first = rows["at"].min() if start is None else start
    years = max((end - first) / YEAR, LEAST_YEARS) if pd.notna(first) else LEAST_YEARS
    begin = end - years * YEAR if pd.isna(first) else first
    names = list(dict.fromkeys([*classes, *sorted(set(rows["failure_class"]))]))
    units = _units(rows, facts)
    n, doubt, likely = _counts(rows, names, units)
    mean, variance = rates.posterior(n, likely, years, units)
    variance = (
        variance + doubt * (mean / np.maximum(n + 1, 1e-9)) ** 2
    )  # what is not known of a count widens it
    widened = mean**2 / variance
    scale = variance / mean
    low, high = (special.gammaincinv(widened, q) * scale for q in (0.025, 0.975))
    severity = _severities(rows, units)[None, :].repeat(len(names), 0)
    minutes, spread = _minutes(rows, names)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = n / years
        fall = np.where(n > 1e-9, 100 * (1 - mean / raw), np.nan)
    each = minutes[:, None].repeat(len(units), 1)
    loss = mean * severity * each
    reach = 1.96 * np.sqrt(special.polygamma(1, widened) + spread[:, None] ** 2)
    centre = np.log(np.maximum(loss, 1e-300)) - special.polygamma(1, widened) / 2
    index = pd.MultiIndex.from_product([names, range(len(units))], names=["failure_class", "unit"])
    table = pd.DataFrame(
        {
            "n": n.ravel(), "raw_rate": raw.ravel(), "rate": mean.ravel(), "rate_low": low.ravel(),
            "rate_high": high.ravel(), "expected_fall_pct": fall.ravel(), "severity": severity.ravel(),
            "minutes": each.ravel(), "minutes_low": (each * np.exp(-1.96 * spread[:, None])).ravel(),
            "minutes_high": (each * np.exp(1.96 * spread[:, None])).ravel(), "loss": loss.ravel(),
            "loss_low": np.exp(centre - reach).ravel(), "loss_high": np.exp(centre + reach).ravel(),
        },
        index=index,
    ).reset_index()  # fmt: skip
    table["service"] = units["service"].to_numpy()[table["unit"]]
    table["environment"] = units["environment"].to_numpy()[table["unit"]]
    table = table.merge(_seen(rows), on=["failure_class", "service", "environment"], how="left")
    table["observed_minutes"] = table["observed_minutes"].fillna(0.0)
    table["n_minutes"] = table["n_minutes"].fillna(0).astype(int)
    order = np.lexsort((table["service"], table["failure_class"], -table["loss"]))
    table = table.iloc[order][list(_TABLE)].reset_index(drop=True)
    table = table.astype({"failure_class": "str", "service": "str", "environment": "str"})
    text = _text(rows, table, years, begin, end)
    flat_shape, flat_scale = widened.ravel()[order], scale.ravel()[order]
    return Burden(table, text, float(years), begin, end, flat_shape, flat_scale)


def _units(rows: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """One row per service and environment, with the facts of the service."""
    seen = rows[["service", "environment"]].drop_duplicates()
    known = pd.DataFrame({"service": facts["service"].astype("str"), "environment": PRODUCTION})
    units = pd.concat([known, seen], ignore_index=True).drop_duplicates(ignore_index=True)
    units = units.merge(facts.drop_duplicates("service"), on="service", how="left")
    for name in ("criticality", "traffic", "callers"):
        units[name] = pd.to_numeric(units[name], errors="coerce") if name in units else np.nan
    units["kind"] = units["kind"].astype(object) if "kind" in units else None
    return units.sort_values(["service", "environment"], ignore_index=True)


def _counts(
    rows: pd.DataFrame, names: list[str], units: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per class and unit: expected incidents, the variance that doubt about class and service adds, and incidents that are

    at least as likely as not there. Expected counts are smeared over classes and look more even than failures are, so
    the whole ones say how uneven cells are.
    """
    place = pd.MultiIndex.from_frame(units[["service", "environment"]])
    c = pd.Index(names).get_indexer(rows["failure_class"])
    u = place.get_indexer(pd.MultiIndex.from_frame(rows[["service", "environment"]]))
    w = rows["weight"].to_numpy(dtype=float)
    n, doubt = np.zeros((len(names), len(units))), np.zeros((len(names), len(units)))
    np.add.at(n, (c, u), w)
    np.add.at(doubt, (c, u), w * (1 - w))
    likely = np.zeros_like(n)
    np.add.at(likely, (c, u), w >= 0.5)
    return n, doubt, likely


def _severities(rows: pd.DataFrame, units: pd.DataFrame) -> np.ndarray:
    """Expected severity weight of an incident per unit: its own mean, shrunk to services as critical by as much as these
    are alike, and these to all."""
    w, value = rows["weight"].to_numpy(dtype=float), rows["severity_weight"].to_numpy(dtype=float)
    overall = float(np.average(value, weights=w)) if w.sum() > 0 else 0.2
    place = pd.MultiIndex.from_frame(units[["service", "environment"]])
    u = place.get_indexer(pd.MultiIndex.from_frame(rows[["service", "environment"]]))
    weight = np.bincount(u, weights=w, minlength=len(units))
    sums = np.bincount(u, weights=w * value, minlength=len(units))
    level = units["criticality"].fillna(-1).to_numpy()
    expected = np.full(len(units), overall)
    for one in np.unique(level[level >= 0]):
        mine = level == one
        expected[mine] = (sums[mine].sum() + _ALIKE * overall) / (weight[mine].sum() + _ALIKE)
    if weight.sum() <= 0:
        return expected
    within = max(float(np.average((value - expected[u]) ** 2, weights=w)), 1e-4)
    mean = np.divide(sums, weight, out=expected.copy(), where=weight > 0)
    return expected + _trust(weight, mean, expected, within)[0] * (mean - expected)


def _minutes(rows: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Expected minutes of an incident per class and their standard error on the log scale.

    Lognormal; class means are shrunk towards the overall one by the variance between classes (DerSimonian and Laird
    1986, Controlled Clinical Trials 7, 177-188).
    """
    known = rows[rows["minutes"].notna()]
    if known["weight"].sum() < 2:
        only = float(known["minutes"].mean()) if len(known) else 60.0
        return np.full(len(names), only), np.full(len(names), 1.5)
    w, log = known["weight"].to_numpy(dtype=float), np.log(known["minutes"].to_numpy(dtype=float))
    overall = float(np.average(log, weights=w))
    variance = max(float(np.average((log - overall) ** 2, weights=w)), 0.05)
    c = pd.Index(names).get_indexer(known["failure_class"])
    weight = np.bincount(c, weights=w, minlength=len(names))
    mean = np.bincount(c, weights=w * log, minlength=len(names)) / np.maximum(weight, 1e-9)
    trust, between = _trust(weight, mean, np.full(len(names), overall), variance)
    centre = overall + np.where(weight > 0, trust * (mean - overall), 0.0)
    error = np.sqrt(
        np.where(trust > 0, trust * variance / np.maximum(weight, 1e-9), between) + variance / weight.sum()
    )
    return np.exp(centre + variance / 2), error


def _trust(
    weight: np.ndarray, mean: np.ndarray, expected: np.ndarray, within: float
) -> tuple[np.ndarray, float]:
    """How far each group's own mean of `weight` observations is believed (0 to 1), and the variance between groups.

    By moments (DerSimonian and Laird 1986); `within` is the variance of one observation.
    """
    q = float((weight * (mean - expected) ** 2).sum() / within)
    excess = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, (q - ((weight > 0).sum() - 1)) * within / max(excess, 1e-9))
    trust = between / (between + within / np.maximum(weight, 1e-9)) if between > 0 else np.zeros(len(weight))
    return trust, between


def _seen(rows: pd.DataFrame) -> pd.DataFrame:
    likely = rows["at"].where(rows["weight"] >= 0.5)
    timed = rows["minutes"].notna() & (rows["weight"] >= 0.5)
    given = rows.assign(last_at=likely, observed_minutes=rows["minutes"] * rows["weight"], n_minutes=timed)
    return given.groupby(["failure_class", "service", "environment"], as_index=False).agg(
        last_at=("last_at", "max"),
        observed_minutes=("observed_minutes", "sum"),
        n_minutes=("n_minutes", "sum"),
    )


def _text(
    rows: pd.DataFrame, table: pd.DataFrame, years: float, start: pd.Timestamp, end: pd.Timestamp
) -> str:
    count = rows["incident_id"].nunique()
    if not count:
        return "No incident is on record: every burden is what the model assumes, and no ranking of them means anything."
    top = table.iloc[0]
    undated = rows.loc[rows["at"].isna(), "incident_id"].nunique()
    nowhere = rows.loc[rows["service"] == NOT_STATED, "incident_id"].nunique()
    told = f"{plain_text.count(count, 'real incident')} from {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    if nowhere > count / 2:
        return (
            f"{told}; {nowhere} report{'s' * (nowhere != 1)} name{'s' * (nowhere == 1)} no "
            "service, so what fails where "
            "is not known: read the classes, not the services."
        )
    where = "" if top["environment"] == PRODUCTION else f" ({top['environment']})"
    return (
        f"{told}. The largest expected loss is {top['failure_class']} at {top['service']}{where}: {top['loss']:.0f} "
        f"{LOSS_UNIT} (95 % interval {top['loss_low']:.0f} to {top['loss_high']:.0f}), from {top['rate']:.1f} incidents a "
        f"year to expect ({top['rate_low']:.1f} to {top['rate_high']:.1f}; counted {top['raw_rate']:.1f})."
        + (f" {undated} report(s) without any time are counted." if undated else "")
    )
