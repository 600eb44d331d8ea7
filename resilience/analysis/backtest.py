"""Does the ranking find what fails next? Rolling origin, against rankings that need no model.

At each origin only incidents before it are used; the months after it are then uncovered. A ranking is judged by how much of
what failed lies in its first k cells, weighted by severity, against chance, recency, frequency and smoothed frequency
(class margin x service margin). Frequency is very hard to beat where cells have failed before, and blind where they
have not: cells that never failed are scored apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import burden as burdens
from .attribution import NOT_STATED, PRODUCTION
from .ledger import SEEN
from .taxonomy import UNKNOWN

KS = (4, 15)
OURS = "ours"
CEILING = "knowable ceiling"
METHODS = (OURS, "ours, with minutes", "frequency", "smoothed frequency", "recency", "random")
ALL, NEVER = "all cells", "never-seen cells"
SUBSETS = (ALL, NEVER, "without repaired cells")
RESAMPLES = 400
LEAST_HISTORY = pd.Timedelta(days=360)
LEAST_BEFORE, LEAST_AFTER = 30, 10  # incidents before an origin, and in the months after it, that it needs


@dataclass(frozen=True)
class Backtest:
    """`table`, one row per subset, k, metric and method: value (mean over origins), against_ours (value of
    ours minus this one) with low and high (95 % over resampled futures; the ranking stays as it was); null
    where not measurable. `origins`: one row per origin: origin, until, n_before, n_after, unplaced (share
    of the severity afterwards without a known class or service: no ranking can find it), reason (why it was
    not used, else null). `measurable`: whether anything was.
    """

    table: pd.DataFrame
    origins: pd.DataFrame
    text: str
    measurable: bool


@dataclass(frozen=True)
class Origin:
    """One origin: the cells in an order of their own, the score that each method gives them, and what failed afterwards."""

    cells: pd.DataFrame  # failure_class, service, n
    scores: dict[str, np.ndarray]
    subsets: dict[str, np.ndarray]
    gains: np.ndarray  # severity x weight of each incident afterwards, in `gain_cell`
    gain_cell: np.ndarray
    gain_incident: np.ndarray


def evaluate(
    touches: pd.DataFrame,
    classes: Iterable[str],
    facts: pd.DataFrame,
    *,
    end: pd.Timestamp,
    start: pd.Timestamp | None = None,
    horizon_months: int = 6,
    every_months: int = 3,
    repaired: pd.DataFrame | None = None,
    seed: int = 0,
    truth: pd.DataFrame | None = None,
) -> Backtest:
    """Backtest of the expected-loss ranking on `touches` up to `end`; see `burden.estimate` for `classes` and `facts`.

    `repaired` (failure_class, service, at): cells that a rehearsal led to repair, from when; afterwards their silence is
    success and they are left out of one subset. `truth` (failure_class, service, value): expected severity a year, what
    nobody can know outside of a simulation; ranked by it, as the ceiling, and the metric 'expected recall' is added: the
    share of it that lies in the first k. That is recall without the chance of which few incidents one future happens to
    hold, and without the doubt about their classes.
    """
    classes = list(classes)
    first = touches["at"].min() if start is None else start
    rng = np.random.default_rng(seed)
    rows, results = [], []
    for origin in _origins(first, end, horizon_months, every_months):
        until = origin + pd.DateOffset(months=horizon_months)
        before = touches[touches["at"] < origin]
        after = touches[(touches["at"] >= origin) & (touches["at"] < until)]
        counts = (before["incident_id"].nunique(), after["incident_id"].nunique())
        weight = after["weight"] * after["severity_weight"]
        unplaced = weight[(after["failure_class"] == UNKNOWN) | (after["service"] == NOT_STATED)].sum()
        reason = None
        if counts[0] < LEAST_BEFORE or counts[1] < LEAST_AFTER:
            reason = f"{counts[0]} incidents before and {counts[1]} after; {LEAST_BEFORE} and {LEAST_AFTER} are needed"
        rows.append(
            (origin, until, *counts, float(unplaced / weight.sum()) if len(weight) else np.nan, reason)
        )
        if reason is None:
            prepared = prepare(before, after, classes, facts, origin, first, repaired, truth, rng)
            results.append(_scored(prepared, rng))
    origins = pd.DataFrame(rows, columns=["origin", "until", "n_before", "n_after", "unplaced", "reason"])
    if not results:
        return Backtest(_empty(), origins, _not_measurable(origins, first, end, horizon_months), False)
    table = _table(results)
    return Backtest(table, origins, _text(table, origins), True)


def prepare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    classes: list[str],
    facts: pd.DataFrame,
    origin: pd.Timestamp,
    start: pd.Timestamp,
    repaired: pd.DataFrame | None,
    truth: pd.DataFrame | None,
    rng: np.random.Generator,
) -> Origin:
    """Scores of every method from `before`, and the gains that `after` holds."""
    found = burdens.estimate(before, classes, facts, end=origin, start=start).table
    usable = (
        found["failure_class"].isin(classes)
        & (found["service"] != NOT_STATED)
        & (found["environment"] == PRODUCTION)
    )
    cells = found[usable].sort_values(["failure_class", "service"], ignore_index=True)
    index = pd.MultiIndex.from_frame(cells[["failure_class", "service"]])
    ties = rng.random(len(cells))  # what a method cannot tell apart is in no order
    n = cells["n"].to_numpy()
    margins = cells.groupby("failure_class")["n"].transform("sum") * cells.groupby("service")["n"].transform(
        "sum"
    )
    last = before[before["weight"] >= SEEN].groupby(["failure_class", "service"])["at"].max().reindex(index)
    recency = last.map(lambda at: at.value if pd.notna(at) else 0).to_numpy(dtype=float)
    severity = (cells["rate"] * cells["severity"]).to_numpy()
    scores = {
        OURS: severity,
        "ours, with minutes": cells["loss"].to_numpy(),
        "frequency": n + 1e-9 * ties,
        "smoothed frequency": margins.to_numpy() + 1e-9 * ties,
        "recency": recency + ties,
        "random": ties,
    }
    if truth is not None:
        scores[CEILING] = (
            truth.set_index(["failure_class", "service"])["value"].reindex(index).fillna(0).to_numpy()
        )
    done = np.zeros(len(cells), dtype=bool)
    if repaired is not None and len(repaired):
        keys = pd.MultiIndex.from_frame(
            repaired.loc[repaired["at"] < after["at"].max(), ["failure_class", "service"]]
        )
        done = index.isin(keys)
    place = index.get_indexer(pd.MultiIndex.from_frame(after[["failure_class", "service"]]))
    used = (place >= 0) & (after["environment"] == PRODUCTION).to_numpy()
    gains = (after["weight"] * after["severity_weight"]).to_numpy()[used]
    who = pd.factorize(after["incident_id"])[0][used]
    subsets = {SUBSETS[0]: np.ones(len(cells), dtype=bool), SUBSETS[1]: n < SEEN, SUBSETS[2]: ~done}
    return Origin(cells, scores, subsets, gains, place[used], who)


def recall(top: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Share of all gain, `total`, that lies in the cells listed first, the last axis of `top`; null where there is none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(top.sum(axis=-1) / total)


def ndcg(top: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Discounted gain of the cells listed first, the last axis of `top`, over that of as many of the best; null where none.

    Järvelin and Kekäläinen 2002, ACM TOIS 20, 422-446.
    """
    discount = 1 / np.log2(np.arange(2, top.shape[-1] + 2))
    with np.errstate(invalid="ignore"):
        return np.asarray((top @ discount) / (best @ discount))


def _scored(one: Origin, rng: np.random.Generator) -> dict[tuple[str, int, str, str], np.ndarray]:
    """(subset, k, metric, method) -> the value, followed by those of resampled futures (incidents drawn anew)."""
    incidents = int(one.gain_incident.max()) + 1 if len(one.gain_incident) else 0
    times = np.vstack([np.ones(incidents), rng.poisson(1.0, (RESAMPLES, incidents))])
    size = len(one.cells)
    gains = np.stack(
        [np.bincount(one.gain_cell, one.gains * t[one.gain_incident], minlength=size) for t in times]
    )
    found = {}
    for subset, mask in one.subsets.items():
        held, inside = gains[:, mask], np.flatnonzero(mask)
        best = -np.sort(-held, axis=1)[:, : max(KS)]
        total = held.sum(axis=1)
        true = one.scores[CEILING][mask] if CEILING in one.scores else None
        for method, score in one.scores.items():
            order = np.argsort(-score[inside], kind="stable")[: max(KS)]
            top = held[:, order]
            for k in KS:
                depth = min(k, top.shape[1])
                if true is not None:
                    share = true[order[:depth]].sum() / true.sum() if true.sum() > 0 else np.nan
                    found[subset, k, "expected recall", method] = np.full(len(times), share)
                found[subset, k, "recall", method] = recall(top[:, :depth], total)
                found[subset, k, "ndcg", method] = ndcg(top[:, :depth], best[:, :depth])
    return found


def _table(results: Sequence[dict[tuple[str, int, str, str], np.ndarray]]) -> pd.DataFrame:
    rows = []
    with np.errstate(invalid="ignore"):
        for key in results[0]:
            value = _mean(results, key)
            ours = _mean(results, (*key[:3], OURS))
            apart = ours - value
            known = apart[1:][np.isfinite(apart[1:])]
            low, high = (
                np.quantile(known, [0.025, 0.975]) if key[3] != OURS and len(known) else (np.nan, np.nan)
            )
            rows.append((*key, value[0], apart[0] if key[3] != OURS else np.nan, low, high))
    return pd.DataFrame(
        rows, columns=["cells", "k", "metric", "method", "value", "against_ours", "low", "high"]
    )


def _mean(
    results: Sequence[dict[tuple[str, int, str, str], np.ndarray]], key: tuple[str, int, str, str]
) -> np.ndarray:
    stacked = np.stack([r[key] for r in results])
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, stacked, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _origins(first: pd.Timestamp, end: pd.Timestamp, horizon: int, every: int) -> list[pd.Timestamp]:
    """Origins from the latest that has its whole horizon back to the earliest that has a year before it."""
    found = []
    if pd.notna(first):
        origin = end - pd.DateOffset(months=horizon)
        while origin - first >= LEAST_HISTORY:
            found.append(origin)
            origin = origin - pd.DateOffset(months=every)
    return found[::-1]


def _empty() -> pd.DataFrame:
    columns = ["cells", "k", "metric", "method", "value", "against_ours", "low", "high"]
    return pd.DataFrame(columns=list(columns))


def _not_measurable(origins: pd.DataFrame, first: pd.Timestamp, end: pd.Timestamp, horizon: int) -> str:
    if origins.empty:
        length = f"{(end - first) / pd.Timedelta(days=30.4):.0f} months" if pd.notna(first) else "no incident"
        return (
            f"Not measurable: the history holds {length}; a backtest needs a year before an origin and "
            f"{horizon} months after "
            "it. The ranking is a model's opinion until then."
        )
    return f"Not measurable: {origins['reason'].iloc[-1]}. The ranking is a model's opinion until then."


def _text(table: pd.DataFrame, origins: pd.DataFrame) -> str:
    used = origins[origins["reason"].isna()]

    def said(subset: str, other: str) -> str:
        rows = table[
            (table["cells"] == subset) & (table["k"] == 15) & (table["metric"] == "recall")
        ].set_index("method")
        r = rows.loc[other]
        if not np.isfinite(r["against_ours"]):
            return f"{subset} against {other}: not measurable"
        verdict = "better" if r["low"] > 0 else "worse" if r["high"] < 0 else "not distinguishable"
        return (
            f"{subset}: the first 15 hold {rows.loc[OURS, 'value']:.0%} of the severity that followed, "
            f"{other}'s {r['value']:.0%} "
            f"({verdict}; difference {_points(r['against_ours'])} points, 95 % interval "
            f"{_points(r['low'])} to {_points(r['high'])})"
        )

    return (
        f"{len(used)} origins, {int(used['n_after'].sum())} incidents afterwards (periods overlap). "
        f"{said(ALL, 'frequency').capitalize()}. {said(NEVER, 'smoothed frequency').capitalize()}. "
        f"On average {used['unplaced'].mean():.0%} of the severity has no known class or service and "
        "cannot be found by any ranking. "
        "Frequency is hard to beat where cells have failed before, and says nothing where they have not."
    )


def _points(share: float) -> str:
    """Hundredths with their sign; nought has none."""
    whole = round(100 * share)
    return f"{whole:+d}" if whole else "0"
