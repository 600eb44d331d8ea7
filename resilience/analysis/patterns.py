"""What the classes of reports look like over time, by service and in minutes of impact, and what comes back.

Every figure sums probabilities (`Causes.table`, p_<class> and p_unknown); `unknown` is a row of its own throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .causes import Causes
from .taxonomy import UNKNOWN, packaged
from .times import durations

DRAWS = 1000
SOON_DAYS = 90  # within which the same class at the same service counts as coming back


@dataclass(frozen=True)
class Pattern:
    """A table, and a sentence that says what it shows and how sure it is."""

    table: pd.DataFrame
    text: str


def factors(found: pd.DataFrame, incidents: pd.DataFrame) -> Pattern:
    """Contributing factors that more than one report lists. `found`: table `incident_factors`.

    `table`: factor (as first written), n (reports), first and last (date), incident_ids; most reports first. Factors are
    the same where their words are; no meaning is guessed.
    """
    rows = found.merge(incidents[["incident_id", "started_at"]], on="incident_id")
    n_with, n = rows["incident_id"].nunique(), len(incidents)
    words = rows["text"].str.lower().str.replace(r"[^\w]+", " ", regex=True).str.strip()
    rows = rows.assign(key=words)[words != ""].drop_duplicates(["incident_id", "key"])
    table = rows.groupby("key", sort=True).agg(
        factor=("text", "first"),
        n=("incident_id", "nunique"),
        first=("started_at", "min"),
        last=("started_at", "max"),
        incident_ids=("incident_id", lambda ids: ", ".join(sorted(set(ids)))),
    )
    several = (
        table[table["n"] > 1].sort_values(["n", "factor"], ascending=[False, True]).reset_index(drop=True)
    )
    text = f"{n_with} of {n} reports list contributing factors, {len(rows)} in all ({len(table)} different ones)."
    if several.empty:
        text += " No factor stands in two reports in the same words." if n_with else ""
    else:
        top = several.iloc[0]
        text += (
            f" {len(several)} stand in more than one report in the same words, first {top['factor']!r} ({top['n']} "
            "reports). The same factor in other words is not counted here: read the reports."
        )
    return Pattern(several, text)


def mechanisms(causes: Causes) -> Pattern:
    """Reports that speak of each mechanism: mechanism, n. A report can speak of several, or of none."""
    said = causes.table["mechanisms"].dropna().str.split(", ").explode()
    names = [entry.name for entry in packaged().mechanisms]
    table = pd.DataFrame({"mechanism": names, "n": [int((said == name).sum()) for name in names]})
    total = len(causes.table)
    listed = ", ".join(f"{row.mechanism} in {row.n}" for row in table.itertuples())
    return Pattern(table, f"Beside the class, of {total} reports the words speak of: {listed}. These are tags by phrases, "
                   "not checked by a person; a report that is silent about one may still have had it.")  # fmt: skip


def over_time(incidents: pd.DataFrame, causes: Causes, *, seed: int = 0, draws: int = DRAWS) -> Pattern:
    """Expected reports per quarter and class: quarter, failure_class, expected, n (reports of the quarter).

    The sentence says whether the mix of classes differs between quarters by more than it does when the dates are
    dealt anew among the reports (permutation, chi-squared distance of expected counts).
    """
    rows, columns = _with_probabilities(incidents, causes)
    rows = rows[rows["started_at"].notna()].sort_values(["started_at", "incident_id"])
    undated = len(incidents) - len(rows)
    if rows.empty:
        return Pattern(
            pd.DataFrame(columns=["quarter", "failure_class", "expected", "n"]), "No report has a date."
        )
    quarter = rows["started_at"].dt.tz_localize(None).dt.to_period("Q").astype(str)
    p = rows[columns].to_numpy(dtype=float)
    names, place = np.unique(quarter, return_inverse=True)
    spread = _summed(p, place, len(names))
    wide = pd.DataFrame(spread, index=names, columns=[c.removeprefix("p_") for c in columns])
    table = (
        wide.rename_axis("quarter")
        .reset_index()
        .melt("quarter", var_name="failure_class", value_name="expected")
    )
    table["n"] = table["quarter"].map(dict(zip(names, np.bincount(place), strict=True)))
    text = f"{len(rows)} reports over {len(names)} quarters"
    text += f"; {undated} without a date are not drawn. " if undated else ". "
    if len(names) < 2 or len(rows) < 20:
        return Pattern(table, f"{text}Too few to say whether the mix of classes changed.")
    rng = np.random.default_rng(seed)
    observed = _distance(spread)
    chance = [_distance(_summed(p[rng.permutation(len(p))], place, len(names))) for _ in range(draws)]
    p_value = (1 + sum(c >= observed - 1e-9 for c in chance)) / (1 + draws)
    verdict = (
        "differs between quarters by more than chance would have it"
        if p_value <= 0.05
        else "between quarters is not distinguishable from chance: no trend of a class is claimed"
    )
    return Pattern(table, f"{text}The mix of classes {verdict} (permutation, p {p_value:.3f}). More reports can also be "
                   "more reporting.")  # fmt: skip


def by_service(touched: pd.DataFrame, causes: Causes, most: int = 15) -> Pattern:
    """Expected reports per service and class, the services with most first: service, failure_class, expected, n."""
    rows, columns = _with_probabilities(touched, causes)
    rows = rows[rows["service"].notna()].drop_duplicates(["incident_id", "service"])
    if rows.empty:
        return Pattern(
            pd.DataFrame(columns=["service", "failure_class", "expected", "n"]), "No report names a service."
        )
    counts = rows["service"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = counts.head(most)
    wide = rows[rows["service"].isin(shown.index)].groupby("service")[columns].sum()
    wide = wide.rename(columns=lambda c: c.removeprefix("p_")).loc[shown.index]
    table = (
        wide.rename_axis("service")
        .reset_index()
        .melt("service", var_name="failure_class", value_name="expected")
    )
    table["n"] = table["service"].map(shown)
    cells = table[table["failure_class"] != UNKNOWN]
    top = cells.sort_values(["expected", "service", "failure_class"], ascending=[False, True, True]).iloc[0]
    text = (
        f"Of {len(counts)} services with a report, the {len(shown)} with most are drawn. The fullest cell is "
        f"{top['service']} with {top['failure_class']}: about {top['expected']:.1f} of its {top['n']} reports. An incident "
        "counts at every service it touched; cells of one or two reports are not a pattern."
    )
    return Pattern(table, text)


def impact(incidents: pd.DataFrame, causes: Causes, *, seed: int = 0, draws: int = DRAWS) -> Pattern:
    """Minutes from start to mitigation (to the end, where no mitigation is recorded) per class, unknown among them.

    `table`: failure_class; minutes (expected: probability x minutes, summed); low and high (95 % of draws of each
    report's class: doubt about classes, not chance in what happens); share; largest (of the expected minutes, the share of
    the longest single report). Totals of what happened have no sampling interval.
    """
    rows, columns = _with_probabilities(incidents, causes)
    minutes = durations(rows, "mitigate")["minutes"].fillna(durations(rows, "restore")["minutes"])
    known = minutes.notna().to_numpy()
    names = [c.removeprefix("p_") for c in columns]
    if not known.any():
        return Pattern(
            pd.DataFrame(columns=["failure_class", "minutes"]), "No report says how long it lasted."
        )
    p, m = rows.loc[known, columns].to_numpy(dtype=float), minutes[known].to_numpy(dtype=float)
    expected = (p * m[:, None]).sum(axis=0)
    rng = np.random.default_rng(seed)
    edges = np.cumsum(p, axis=1)
    totals = np.zeros((draws, len(names)))
    for draw in range(draws):
        picked = np.minimum((rng.random(len(m))[:, None] > edges).sum(axis=1), len(names) - 1)
        totals[draw] = np.bincount(picked, weights=m, minlength=len(names))
    low, high = np.quantile(totals, [0.025, 0.975], axis=0)
    largest = (p * m[:, None]).max(axis=0) / np.maximum(expected, 1e-9)
    table = pd.DataFrame(
        {
            "failure_class": names,
            "minutes": expected,
            "low": low,
            "high": high,
            "share": expected / m.sum(),
            "largest": largest,
        }
    )
    table["last"] = table["failure_class"] == UNKNOWN
    table = table.sort_values(
        ["last", "minutes", "failure_class"], ascending=[True, False, True], ignore_index=True
    )
    top, unknown = table.iloc[0], table[table["failure_class"] == UNKNOWN]["minutes"].sum()
    text = (
        f"{int(known.sum())} reports lasted {m.sum() / 60:,.0f} hours in all; {int((~known).sum())} do not say how long "
        f"and are not in any total. Of what can be told {top['failure_class']} took most: about "
        f"{top['minutes'] / 60:,.0f} hours ({top['share']:.0%}), of which the longest single report is "
        f"{top['largest']:.0%}. {unknown / 60:,.0f} hours are of unknown class."
    )
    return Pattern(table.drop(columns="last"), text)


def recurrences(touched: pd.DataFrame, causes: Causes, *, seed: int = 0, draws: int = DRAWS) -> Pattern:
    """The same likeliest class at the same service within 90 days of the time before.

    `table`: service, failure_class, n (incidents), soon (of these, within 90 days of the one before), last (date),
    incident_ids; most of `soon` first. The sentence compares with classes dealt anew among the incidents. Incidents without
    a date, a service or a class cannot recur, and are counted.
    """
    rows = touched.merge(causes.table[["incident_id", "failure_class"]], on="incident_id")
    rows = rows.drop_duplicates(["incident_id", "service"])
    usable = rows["started_at"].notna() & rows["service"].notna() & (rows["failure_class"] != UNKNOWN)
    left_out = touched["incident_id"].nunique() - rows.loc[usable, "incident_id"].nunique()
    rows = rows[usable].sort_values(["started_at", "incident_id", "service"], ignore_index=True)
    columns = ["service", "failure_class", "n", "soon", "last", "incident_ids"]
    if rows.empty:
        return Pattern(pd.DataFrame(columns=columns), "No incident has a date, a service and a class.")
    soon = _soon(rows, rows["failure_class"])
    rows = rows.assign(soon=soon)
    table = rows.groupby(["service", "failure_class"], as_index=False, sort=True).agg(
        n=("incident_id", "size"),
        soon=("soon", "sum"),
        last=("started_at", "max"),
        incident_ids=("incident_id", ", ".join),
    )
    table = table[table["n"] > 1].sort_values(
        ["soon", "n", "service", "failure_class"], ascending=[False, False, True, True], ignore_index=True
    )
    rng = np.random.default_rng(seed)
    ids = rows["incident_id"].drop_duplicates()
    known = rows.drop_duplicates("incident_id").set_index("incident_id")["failure_class"].loc[ids].to_numpy()
    place = rows["incident_id"].map({name: i for i, name in enumerate(ids)}).to_numpy()
    chance = [
        int(_soon(rows, pd.Series(known[rng.permutation(len(known))][place], index=rows.index)).sum())
        for _ in range(draws)
    ]
    low, high = np.quantile(chance, [0.025, 0.975])
    total = int(soon.sum())
    verdict = (
        "more than that"
        if total > high
        else "fewer than that"
        if total < low
        else "not distinguishable from that"
    )
    text = (
        f"{total} times an incident had the class of an earlier one at the same service within {SOON_DAYS} days. Were "
        f"classes dealt to incidents at random, {low:.0f} to {high:.0f} would be usual: {verdict}. {left_out} incidents "
        "without a date, a service or a class cannot be looked at."
    )
    return Pattern(table[columns], text)


def _soon(rows: pd.DataFrame, classes: pd.Series) -> pd.Series:
    """Whether each row (in order of time) follows one of the same service and class within 90 days."""
    before = rows["started_at"].groupby([rows["service"], classes]).shift()
    return (rows["started_at"] - before) <= pd.Timedelta(days=SOON_DAYS)


def _with_probabilities(rows: pd.DataFrame, causes: Causes) -> tuple[pd.DataFrame, list[str]]:
    columns = [str(c) for c in causes.table if str(c).startswith("p_")]
    return rows.merge(causes.table[["incident_id", *columns]], on="incident_id"), columns


def _summed(p: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    total = np.zeros((size, p.shape[1]))
    np.add.at(total, place, p)
    return total


def _distance(spread: np.ndarray) -> float:
    usual = spread.sum(axis=1, keepdims=True) * spread.sum(axis=0, keepdims=True) / spread.sum()
    return float(((spread - usual) ** 2 / np.maximum(usual, 1e-9)).sum())
