"""What a plan must obey and foretell on its day: budgets, open incidents, safe windows, steady state and backlog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from . import evidence, views
from .analysis import backlog, plan, probing, programme, safe_windows, tolerances
from .analysis.faults import Fault
from .analysis.ledger import Ledger
from .errors import InputError
from .evidence import Evidence, first
from .store import Store

LEAD = pd.Timedelta(hours=1)  # before the stated start of an incident: starts are recorded late
WEEKS = 8  # of traffic that say what arrives at an hour of the week
_OUTSIDE = (
    "every safe start lies outside of office hours (Monday to Friday, 9 to 16 o'clock), and nobody has said who is at hand "
    "then: write support hours into data/calendar.yml, or run it elsewhere than on production."
)


def constraints(store: Store, found: Evidence, **given: Any) -> plan.Rules:
    """Rules with what the store knows: exhausted error budgets and open incidents. `given`: fields of `plan.Rules`."""
    open_ = found.incidents[found.incidents["resolved_at"].isna() & found.incidents["mitigated_at"].isna()]
    # an old report without an end is a gap in the report, not an incident that still burns
    open_ = open_[first(open_) >= found.as_of - pd.Timedelta(days=30)]
    burning = {s for listed in open_["services"].dropna() for s in listed.split(", ")}
    return plan.Rules(budget_spent=_budgets(store, found.as_of), open_incidents=frozenset(burning), **given)


def _budgets(store: Store, moment: pd.Timestamp) -> dict[str, str]:
    """Services whose objective is missed in the month of `moment`, the latest that was measured."""
    months = store.load("slo_history")
    months = months[
        (months["month_at"] < moment) & months["value_percent"].notna() & months["service"].notna()
    ]
    latest_ = months.sort_values("month_at").groupby("slo_id").tail(1)
    spent = latest_[latest_["value_percent"] < latest_["target_percent"]]
    return {
        row.service: f"{row.name}: {row.value_percent:.3f} % of {row.target_percent:.3f} % in {row.month_at:%Y-%m}"
        for row in spent.itertuples(index=False)
    }


def steady_state(store: Store, found: Evidence, service: str, at: pd.Timestamp, zone: str) -> pd.DataFrame:
    """Limits of a service when its experiment begins, from its own ordinary weeks."""
    rows = views.table(store, "series", where=_scopes(service))
    return tolerances.limits(
        rows[rows["at"] < found.as_of], at, zone, exclude=_disturbed(store, found, service)
    )


def _disturbed(store: Store, found: Evidence, service: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """When a service had an incident, anybody a GameDay, or the calendar no ordinary week."""
    named = found.incidents["services"].fillna("").str.split(", ")
    mine = found.incidents[np.array([service in names for names in named], dtype=bool)]
    start = mine["started_at"].fillna(mine["detected_at"])
    end = mine["mitigated_at"].fillna(mine["resolved_at"]).fillna(start + pd.Timedelta(hours=8))
    spans = [(a - LEAD, b) for a, b in zip(start, end, strict=True) if pd.notna(a) and a - LEAD < b]
    spans += [(at, at + pd.Timedelta(days=1)) for at in found.history["held_on"].unique()]
    unlike = store.once(f"left out {found.as_of}", lambda: views.left_out(store, found.as_of)).spans
    return [*spans, *unlike.get(service, []), *unlike.get("", [])]


def try_probes(
    store: Store, since: pd.Timestamp, zone: str, minutes: float, most: int, say: Callable[[str], None]
) -> probing.Trial:
    """How the probes that a plan of `since` would have exported did from then on.

    Limits are made from what was known at `since`. They are tried in every incident after it, from its stated start on at
    the service that it belongs to most, and in at most `most` ordinary windows of each of these services: minutes that were
    recorded, no incident of the service, no GameDay, no sale and no holiday.
    """
    known, whole = evidence.read(store, since, say=say), evidence.read(store, say=say)
    after = whole.touches[whole.touches["at"] >= since]
    main = after.groupby(["incident_id", "service"])["weight"].sum().reset_index()
    main = main.sort_values(["incident_id", "weight", "service"], ascending=[True, False, True])
    main = main.drop_duplicates("incident_id").merge(whole.incidents, on="incident_id")
    box = pd.Timedelta(minutes=minutes)
    until = main["mitigated_at"].fillna(main["resolved_at"])
    dated = main["started_at"].notna() & ~(until < main["started_at"] + box)
    tried, bare = [], 0
    for number, (name, mine) in enumerate(main[dated].groupby("service"), 1):
        service = str(name)
        say(f"{service}, {number} of {main.loc[dated, 'service'].nunique()} services")
        rows, before = views.table(store, "series", where=_scopes(service)), _disturbed(store, known, service)
        past, fine = (
            rows[rows["at"] < since],
            rows[(rows["at"] >= since) & (rows["interval_s"] <= box.total_seconds() / 4)],
        )
        quiet = probing.windows(fine, minutes, _disturbed(store, whole, service), most)
        ends = [(probing.ORDINARY, at) for at in quiet]
        ends += [(str(row.severity), row.started_at + box) for row in mine.itertuples()]
        for kind, at in ends:
            limits = tolerances.limits(past, at - box, zone, exclude=before)
            if limits.empty:
                bare += 1
                continue
            tried.append((kind, service, at, probing.together(limits, fine, at=at, minutes=minutes)))
    return probing.trial(
        pd.DataFrame(tried, columns=["kind", "service", "ends_at", "code"]),
        _untried(main, dated, bare, minutes),
    )


def _untried(main: pd.DataFrame, dated: pd.Series, bare: int, minutes: float) -> list[str]:
    """What could not be tried, in sentences."""
    said = []
    if short := int((~dated & main["started_at"].notna()).sum()):
        said.append(f"{short} incident(s) were over within {minutes:g} minutes.")
    if undated := int(main["started_at"].isna().sum()):
        said.append(f"{undated} incident(s) have no start.")
    if bare:
        said.append(f"{bare} window(s) are of services whose series make no limit at that hour.")
    return said


def propose(
    store: Store, found: Evidence, book: Ledger, zone: str, date: str | None = None, **given: Any
) -> plan.Plan:
    """The plan for `date` (see `day`) by what the store forbids, what is `given` (fields of `plan.Rules`), and where windows
    are safe. Raises InputError as `span` does."""
    rules = constraints(store, found, **given)
    return evidence.choose(found, book, rules, windows(store, found, zone, span(date, found.as_of, zone)))


def windows(
    store: Store, found: Evidence, zone: str, between: tuple[pd.Timestamp, pd.Timestamp]
) -> plan.Windows | None:
    """Finds the safe window with most room between two aware moments, per target; None where there is no traffic.

    Only production needs one: elsewhere an experiment waits for people, not for traffic.
    """
    usual = views.traffic(store, views.REQUESTS)
    if usual is None:
        return None
    calendar, unlike = views.table(store, "calendar"), views.left_out(store, found.as_of).spans
    months = store.load("slo_history")

    def find(service: str, environment: str, minutes: float, fault: Fault) -> programme.Window:
        if environment != "production":
            return programme.Window(None, text=f"On {environment}: whenever the people are there.")
        stopped = fault.takes >= 1
        rows = _traffic(store, found, usual, service)
        try:
            looked = safe_windows.safe_windows(
                rows.assign(scope=f"service:{service}"), calendar, zone=zone, metric=usual[0], targets=[service],
                minutes=minutes, between=between, incidents=found.incidents, slo_history=months, exclude=unlike,
                lost=0.0 if stopped else fault.takes, stopped=stopped,
            )  # fmt: skip
        except InputError as error:
            return programme.Window(None, text=f"Not known: {error}")
        fits = looked.best
        if not (calendar["kind"] == "support").any():  # nobody said who is at hand when: office hours, then
            local = fits["starts_at"].dt.tz_convert(zone)
            fits = fits[(local.dt.day_of_week < 5) & local.dt.hour.between(9, 15)]
        if fits.empty:
            if len(looked.best):
                return programme.Window(False, text=f"{_OUTSIDE} {looked.text}")
            return programme.Window(False, text=looked.text)
        slots = tuple(_slot(row, zone) for row in fits.itertuples())
        best = slots[0]
        return programme.Window(True, best.starts_at, best.ends_at, best.text, slots)

    return find


def _slot(row: Any, zone: str) -> programme.Slot:
    condition = f" {row.condition}" if pd.notna(row.condition) else ""
    said = f"Of what it carries under the fault, {row.room:.0%} stays free.{condition}"
    day = f"{row.starts_at.tz_convert(zone):%Y-%m-%d}"
    return programme.Slot(row.starts_at, row.ends_at, day, float(row.room), said)


def day(date: str | None, as_of: pd.Timestamp, chosen: plan.Plan | None = None) -> pd.Timestamp:
    """The local day of a GameDay on `date`: the day given ('2021-12-09'); of the month given ('2021-12'), else of the month
    after next, the day on which most of `chosen` have a safe window, else the second Thursday.

    Raises InputError for what is neither a day nor a month.
    """
    if chosen is not None and chosen.day is not None:
        return pd.Timestamp(chosen.day)
    known = as_of.tz_localize(None).normalize()
    if date is None:
        base = (known + pd.DateOffset(months=2)).replace(day=1)
    else:
        try:
            base = pd.to_datetime(date, format="%Y-%m-%d" if len(date) > 7 else "%Y-%m", exact=True)
            base = base if 1900 <= base.year < 2200 else None
        except ValueError:
            base = None
        if base is None:
            raise InputError(f"{date!r} is no month or day.", remedy="Write 2021-12 or 2021-12-09.")
        if len(date) > 7:
            return base
    thursday = base + pd.Timedelta(days=(3 - base.day_of_week) % 7 + 7)
    return max(thursday, known + pd.Timedelta(days=1)) if thursday.month == known.month else thursday


def span(date: str | None, as_of: pd.Timestamp, zone: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The day given, or the whole month of `day`, as two aware moments; of these what lies after `as_of`.

    Raises InputError where nothing of it does: a plan looks ahead.
    """
    first = day(date, as_of)
    whole = date is None or len(date) <= 7
    first = first.replace(day=1) if whole else first
    last = first + (pd.DateOffset(months=1) if whole else pd.DateOffset(days=1))
    # in some zones the clock changes at midnight
    begin, end = (t.tz_localize(zone, nonexistent="shift_forward", ambiguous=True) for t in (first, last))
    if end <= as_of:
        raise InputError(
            f"{date} lies before {as_of:%Y-%m-%d}, until which everything is known: a plan looks ahead.",
            remedy="Give a later date, or an earlier --as-of.",
        )
    return max(begin, as_of.tz_convert(zone)), end


def begins(found: Evidence, chosen: plan.Plan, zone: str, date: str | None = None) -> dict[str, pd.Timestamp]:
    """Service -> when its experiment begins; see `programme.starts` and `day`."""
    return programme.starts(chosen.chosen, day(date, found.as_of, chosen), zone, chosen.rules.minutes)


def _scopes(service: str) -> dict[str, list[str]]:
    return {"scope": [f"service:{service}", f"env:prod,service:{service}"]}


def _traffic(store: Store, found: Evidence, usual: tuple[str, float], service: str) -> pd.DataFrame:
    """Points of a service's `usual` metric and interval until `found` was known."""
    asked = {"metric": [usual[0]]} | _scopes(service)
    rows = store.once(f"{usual[0]} {service}", lambda: views.table(store, "series", where=asked))
    return rows[(rows["interval_s"] == usual[1]) & (rows["at"] < found.as_of)]


def backlogs(
    store: Store, found: Evidence, starts: dict[str, pd.Timestamp], zone: str, minutes: float
) -> dict[str, backlog.Backlog]:
    """Per service what piles up if nothing of its traffic is served for `minutes` from its start (aware) on.

    Arrivals are the medians of the last `WEEKS` weeks at the same local hours of the week; what can be worked off per minute
    is the busiest hour of these weeks, which the service has carried: a lower limit. Services without traffic are left out.
    """
    usual = views.traffic(store, views.REQUESTS)
    made: dict[str, backlog.Backlog] = {}
    if usual is None or usual[1] > 3600:
        return made
    for service, start in starts.items():
        rows = _traffic(store, found, usual, service).dropna(subset="value")
        if rows.empty:
            continue
        rows = rows[rows["at"] >= rows["at"].max() - pd.Timedelta(weeks=WEEKS)]
        local = rows["at"].dt.tz_convert(zone)
        counts = rows["value"] * (1.0 if rows["rollup"].iloc[0] in ("sum", "count") else usual[1])
        slot = (local.dt.day_of_week * 86400 + local.dt.hour * 3600 + local.dt.minute * 60) // usual[1]
        medians = counts.groupby(slot.to_numpy()).median()
        at = start.tz_convert(zone)
        begin = int((at.day_of_week * 86400 + at.hour * 3600 + at.minute * 60) // usual[1])
        step = usual[1] / 60
        slots = [
            (begin + i) % int(7 * 86400 / usual[1]) for i in range(int(np.ceil((minutes + 8 * 60) / step)))
        ]
        arrivals = medians.reindex(slots)
        if arrivals.notna().all():
            queue = backlog.backlog(arrivals.to_numpy(), step, minutes, float(counts.max()) / step)
            said = queue.text.replace("messages", "requests").replace(" wait ", " wait at most ", 1)
            made[service] = replace(queue, text=f"If none is served: {said[0].lower()}{said[1:]}")
    return made
