"""The rehearsal ledger: one row per failure class x service that joins what fails to what has been rehearsed.

A row's state is a sentence with evidence, not a score. Real incidents and drills stand side by side and are never
pooled; a fall after a GameDay is held against the fall to expect anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from . import burden as burdens
from . import rehearsals
from .attribution import NOT_STATED, PRODUCTION
from .taxonomy import UNKNOWN

STATES = (
    "costly, never rehearsed",
    "rehearsed, failed again",
    "rehearsed, did not hold",
    "rehearsed, stale",
    "rehearsed, inconclusive",
    "rehearsed, held recently",
    "seen, never rehearsed",
    "never seen, never rehearsed",
    "cause or service not known",
)
SEEN = 0.5  # expected incidents from which a cell counts as one that failed: as likely as not
COSTLY_SHARE = 0.15  # costly: the seen cells of the largest losses that together hold this share of all loss
IN_DOUBT = (
    0.025  # a fall or rise is claimed where chance alone would give it in fewer than this share of cases
)
_MOST_EVIDENCE = 12  # incidents listed per cell, newest first; the count is of all

EDGES = ("service", "follower", "origin", "evidence", "state")


@dataclass(frozen=True)
class Ledger:
    """`table`, one row per class, service and environment, costly ones first, then by expected loss:

    the columns of `Burden.table` and of `rehearsals.summarise`, and: state (one of `STATES`) and state_why (in words);
    costly; incidents (ids, newest first) and n_incidents (those at least as likely as not there); real_detect_min
    (median of n_detect); after_n, after_expected and after_raw (incidents since the last rehearsal, as many as to
    expect if it changed nothing, and as many as the raw rate before would give) over after_years, with after_verdict;
    open_incident_actions; edges (dependencies of the service to be verified by experiment); note (what a reader should
    know: a service that is gone, a class that the taxonomy has lost). `text`: what stands out. `edges`: candidate and
    surprise dependencies: service, follower, origin, evidence, state. `history`: one row per experiment and target.
    """

    table: pd.DataFrame
    text: str
    as_of: pd.Timestamp
    burden: burdens.Burden
    history: pd.DataFrame
    edges: pd.DataFrame


def build(
    touches: pd.DataFrame,
    incidents: pd.DataFrame,
    history: pd.DataFrame,
    facts: pd.DataFrame,
    *,
    classes: Iterable[str],
    as_of: pd.Timestamp,
    start: pd.Timestamp | None = None,
    actions: pd.DataFrame | None = None,
    peaks: pd.DataFrame | None = None,
    edges: pd.DataFrame | None = None,
    stale_days: float = rehearsals.STALE_DAYS,
) -> Ledger:
    """The ledger as it stood at `as_of` (aware), from real incidents (`attribution.touches`) and GameDays
    (`rehearsals.history`) before it. `facts`, `peaks`: see `burden.estimate` and `rehearsals.summarise`; `facts` may have
    `current` (False: the service is no longer there). `edges`: dependencies nobody has declared (columns `EDGES`).
    """
    classes = list(classes)
    touches = touches[~(touches["at"] >= as_of)]
    history = history[history["held_on"] < as_of].reset_index(drop=True)
    facts = _with_targets(facts, history)
    extra = [c for c in dict.fromkeys(history["failure_class"]) if c not in classes]
    found = burdens.estimate(touches, [*classes, *extra], facts, end=as_of, start=start)
    past = rehearsals.summarise(history, as_of=as_of, peaks=peaks, stale_days=stale_days)
    past["environment"] = PRODUCTION  # wherever it ran, it was held for what production would do
    table = found.table.merge(past, on=["failure_class", "service", "environment"], how="left")
    for name in (
        "runs",
        "held",
        "deviated",
        "inconclusive",
        "open_actions",
        "closed_actions",
        "drill_n",
        "drill_censored",
    ):
        table[name] = pd.to_numeric(table[name]).fillna(0).astype(int)
    table["stale"] = table["stale"].fillna(False).astype(bool)
    table["hold_mean"] = pd.to_numeric(table["hold_mean"]).fillna(0.5)
    table["teach"] = pd.to_numeric(table["teach"]).fillna(1.0)
    table = table.merge(
        _evidence(touches, incidents, actions), on=["failure_class", "service", "environment"], how="left"
    )
    for name in ("n_incidents", "open_incident_actions"):
        table[name] = pd.to_numeric(table[name]).fillna(0).astype(int)
    after, was_costly = _after(touches, table, found, [*classes, *extra], facts, as_of)
    table = pd.concat([table, after], axis=1)
    # a rehearsal alone takes no cell off the list: only a rate below the fall that was to expect anyway does
    kept = was_costly & ~(table["rate"] < after["_predicted_rate"]).to_numpy()
    table["costly"] = _costly(table) | kept
    table = table.drop(columns="_predicted_rate")
    known = frame_edges(edges)
    edges_of = _edges_of(known)
    table["edges"] = [edges_of.get(service, "") for service in table["service"]]
    table["note"] = _notes(table, facts, set(classes))
    states = [_state(row) for row in table.itertuples()]
    table["state"] = [s for s, _ in states]
    table["state_why"] = [why for _, why in states]
    unplaced = table["state"] == STATES[-1]
    empty = unplaced & (table["n"] < 1e-9) & (table["runs"] == 0)
    order = np.lexsort((table["service"], table["failure_class"], -table["loss"], ~table["costly"], unplaced))
    table = table.iloc[order][~empty.iloc[order]].reset_index(drop=True)
    return Ledger(table, _text(table, found, as_of), as_of, found, history, known)


def moved(before: Ledger, after: Ledger) -> pd.DataFrame:
    """Cells whose state differs between two ledgers: failure_class, service, was, state, state_why; in order of `after`."""
    keys = ["failure_class", "service", "environment"]
    was = before.table[[*keys, "state"]].rename(columns={"state": "was"})
    rows = after.table.merge(was, on=keys, how="left")
    rows = rows[(rows["was"] != rows["state"]) & (rows["was"].notna() | (rows["runs"] > 0))]
    return rows[["failure_class", "service", "was", "state", "state_why"]].reset_index(drop=True)


def frame_edges(edges: pd.DataFrame | None) -> pd.DataFrame:
    """`edges` with the columns of a ledger's, or none."""
    if edges is None or edges.empty:
        return pd.DataFrame({name: pd.Series(dtype="str") for name in EDGES})
    return edges[list(EDGES)].reset_index(drop=True)


def _with_targets(facts: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    extra = sorted(set(history["service"]) - set(facts["service"]))
    return pd.concat([facts, pd.DataFrame({"service": extra})], ignore_index=True) if extra else facts


def _costly(table: pd.DataFrame) -> np.ndarray:
    """Cells that failed and whose losses are the largest that together hold `COSTLY_SHARE` of all.

    Of production alone: what breaks elsewhere costs those who work there, and no customer.
    """
    usable = (table["n"] >= SEEN) & (table["failure_class"] != UNKNOWN) & (table["service"] != NOT_STATED)
    usable &= table["environment"] == PRODUCTION
    loss = table["loss"].where(usable, 0.0).to_numpy()
    order = np.argsort(-loss, kind="stable")
    before = np.r_[0.0, np.cumsum(loss[order])[:-1]]
    chosen = np.zeros(len(table), dtype=bool)
    chosen[order] = before < COSTLY_SHARE * table["loss"].sum()
    return chosen & usable.to_numpy()


def _evidence(touches: pd.DataFrame, incidents: pd.DataFrame, actions: pd.DataFrame | None) -> pd.DataFrame:
    keys = ["failure_class", "service", "environment"]
    likely = touches[touches["weight"] >= 0.5].sort_values(
        ["at", "incident_id"], ascending=False, na_position="last"
    )
    about = incidents[["incident_id", "started_at", "detected_at"]]
    likely = likely.merge(about, on="incident_id", how="left")
    likely["detect_min"] = (likely["detected_at"] - likely["started_at"]) / pd.Timedelta(minutes=1)
    if actions is None or actions.empty:
        open_ = pd.Series(dtype=float)
    else:
        undone = ~actions["state"].fillna("").str.contains(
            r"done|closed|complete|fixed|won't|wont", case=False
        )
        open_ = actions[undone].groupby("incident_id").size()
    likely["open"] = likely["incident_id"].map(open_).fillna(0)
    return likely.groupby(keys, as_index=False, sort=False).agg(
        incidents=("incident_id", lambda ids: ", ".join(ids.iloc[:_MOST_EVIDENCE])),
        n_incidents=("incident_id", "size"),
        real_detect_min=("detect_min", "median"),
        n_detect=("detect_min", "count"),
        open_incident_actions=("open", "sum"),
    )


def _after(
    touches: pd.DataFrame,
    table: pd.DataFrame,
    now: burdens.Burden,
    classes: list[str],
    facts: pd.DataFrame,
    as_of: pd.Timestamp,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Incidents since each cell's last rehearsal, against what was to expect then had it changed nothing."""
    size = len(table)
    columns = ("after_n", "after_years", "after_expected", "after_raw", "_predicted_rate")
    numbers = {name: np.full(size, np.nan) for name in columns}
    verdicts = np.full(size, None, dtype=object)
    was_costly = np.zeros(size, dtype=bool)
    keys = ["failure_class", "service", "environment"]
    for day, cells in table[table["runs"] > 0].groupby("last_rehearsed_at"):
        then = burdens.estimate(
            touches, classes, facts, end=day, start=now.start if now.start < day else None
        )
        place = pd.MultiIndex.from_frame(then.table[keys]).get_indexer(pd.MultiIndex.from_frame(cells[keys]))
        since = touches[touches["at"] >= day]
        count = (
            since.groupby(keys)["weight"]
            .sum()
            .reindex(pd.MultiIndex.from_frame(cells[keys]))
            .fillna(0)
            .to_numpy()
        )
        years = max((as_of - day) / burdens.YEAR, 1e-6)
        rows, held = then.table.iloc[place], cells.index.to_numpy()
        expected = rows["rate"].to_numpy() * years
        numbers["after_n"][held], numbers["after_years"][held] = count, years
        numbers["after_expected"][held], numbers["after_raw"][held] = (
            expected,
            rows["raw_rate"].to_numpy() * years,
        )
        numbers["_predicted_rate"][held] = rows["rate"].to_numpy()
        at_most = then.chance_of_at_most(place, np.round(count), np.full(len(place), years))
        at_least = 1 - then.chance_of_at_most(place, np.round(count) - 1, np.full(len(place), years))
        none = then.chance_of_at_most(place, np.zeros(len(place)), np.full(len(place), years))
        verdicts[held] = np.select(
            [at_most < IN_DOUBT, at_least < IN_DOUBT, none >= IN_DOUBT],
            ["fell more than expected", "rose", "not measurable yet"],
            "not distinguishable",
        )
        was_costly[held] = _costly(then.table)[place]
    return pd.DataFrame({**numbers, "after_verdict": verdicts}, index=table.index), was_costly


def _edges_of(edges: pd.DataFrame) -> dict[str, str]:
    open_ = edges[edges["state"] == "open"]
    both = pd.concat(
        [
            pd.DataFrame({"service": open_["service"], "said": open_["service"] + " → " + open_["follower"]}),
            pd.DataFrame(
                {"service": open_["follower"], "said": open_["service"] + " → " + open_["follower"]}
            ),
        ]
    )
    return {
        str(k): v for k, v in both.groupby("service")["said"].agg(lambda s: ", ".join(sorted(set(s)))).items()
    }


def _notes(table: pd.DataFrame, facts: pd.DataFrame, classes: set[str]) -> list[str]:
    gone = set(facts.loc[facts["current"].eq(False), "service"]) if "current" in facts else set()
    notes = []
    for row in table[["failure_class", "service", "environment"]].itertuples(index=False):
        said = []
        if row.failure_class not in classes and row.failure_class != UNKNOWN:
            said.append("the taxonomy has no such class any more")
        if row.service in gone:
            said.append("the service is no longer declared and sends no traffic")
        if row.environment != PRODUCTION:
            said.append(f"incidents of {row.environment}, kept apart from production")
        notes.append("; ".join(said))
    return notes


def _state(row: Any) -> tuple[str, str]:
    """State in words and why, from one row of the table."""
    r = row
    if r.failure_class == UNKNOWN or r.service == NOT_STATED:
        what = (
            "Reports do not say what the cause was"
            if r.failure_class == UNKNOWN
            else "Reports name no service"
        )
        return STATES[-1], f"{what}: about {r.n:.1f} incidents."
    if not r.runs:
        if r.costly:
            return "costly, never rehearsed", f"{_incidents(r).capitalize()}; no GameDay has touched it."
        if r.n >= SEEN:
            return "seen, never rehearsed", f"{_incidents(r).capitalize()}; no GameDay has touched it."
        return "never seen, never rehearsed", (
            f"No incident as likely as not; {r.rate:.2f} a year expected from its class and service. No "
            "GameDay has touched it."
        )
    held = f"{r.last_rehearsed_at:%Y-%m-%d} ({r.last_gameday}, {r.last_environment}, {r.last_style}): {r.last_verdict}"
    if pd.notna(r.last_at) and r.last_at >= r.last_rehearsed_at:
        return "rehearsed, failed again", (
            f"Last rehearsed {held}; {r.after_n:.1f} real incidents since, {r.after_expected:.1f} to expect anyway."
        )
    if r.stale:
        return "rehearsed, stale", f"Last held {r.last_held_at:%Y-%m-%d}, {r.last_held}: {r.stale_reason}."
    if r.last_verdict == "held":
        return (
            "rehearsed, held recently",
            f"Last held {r.last_held_at:%Y-%m-%d}, {r.last_held}. One success is one success.",
        )
    if r.last_verdict == "deviated":
        done = f" Actions of it still open: {r.open_actions}." if r.open_actions else ""
        return "rehearsed, did not hold", f"Last rehearsed {held}. {r.last_reason}{done}"
    return "rehearsed, inconclusive", f"Last rehearsed {held}. {r.last_reason}"


def _incidents(row: Any) -> str:
    return (
        f"about {row.n:.1f} incidents, {row.rate:.1f} a year to expect ({row.rate_low:.1f} to {row.rate_high:.1f}), "
        f"last {row.last_at:%Y-%m-%d}"
        if pd.notna(row.last_at)
        else f"about {row.n:.1f} incidents, spread over doubtful reports"
    )  # fmt: skip


def _text(table: pd.DataFrame, found: burdens.Burden, as_of: pd.Timestamp) -> str:
    if table.empty:
        return "No incident and no GameDay is on record, and no service is known: there is nothing to rehearse yet."
    count = table["state"].value_counts()
    costly = table[table["state"] == STATES[0]]
    n = len(costly)
    parts = [
        f"Of {len(table):,} cells (a failure class at a service) as of {as_of:%Y-%m-%d}, "
        f"{n} {'is' if n == 1 else 'are'} costly and {'was' if n == 1 else 'were'} never rehearsed"
    ]
    if len(costly):
        first = costly.iloc[0]
        parts[0] += f", first {first['failure_class']} at {first['service']}"
    rehearsed = table[table["runs"] > 0]
    if len(rehearsed):
        split = [s for s in STATES if s.startswith("rehearsed") and s in count]
        states = ", ".join(f"{count[s]} {s.removeprefix('rehearsed, ')}" for s in split)
        parts.append(f"{len(rehearsed)} {'was' if len(rehearsed) == 1 else 'were'} rehearsed: {states}")
        verdicts = rehearsed["after_verdict"].value_counts()
        parts.append(
            "Since their rehearsal " + ", ".join(f"{n} {v}" for v, n in verdicts.items())
            + " (a fall that regression to the mean explains is not counted as one)"
        )  # fmt: skip
    else:
        parts.append("No GameDay is on record")
    return f"{'. '.join(parts)}. {found.text}"
