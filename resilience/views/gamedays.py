"""One GameDay and what surrounds it: its tables, the series around its faults, what moved there undeclared."""

from __future__ import annotations

import pandas as pd

from .. import schema
from ..analysis import blast_radius, reach, roles
from ..errors import InputError
from ..kept import kept
from ..store import Store
from .signals import FINE_S, onsets
from .tables import classes, incidents, table


def gameday_tables(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """Every table of one GameDay, and `series` of its probes and backlogs around its faults.

    Raises InputError where there is no such GameDay.
    """
    tables = {name: table(store, name, where={"gameday_id": [gameday_id]}) for name in schema.GAMEDAY_TABLES}
    if tables["gamedays"].empty:
        known = ", ".join(store.load("gamedays")["gameday_id"]) or "none"
        raise InputError(f"There is no GameDay {gameday_id!r} in the store.", remedy=f"GameDays: {known}.")
    return {**tables, "series": watched(store, tables["experiment_probes"], tables["experiments"])}


def gameday_titles(store: Store, *, names: bool = False) -> dict[str, str]:
    """Title of every GameDay by its id, newest first; a name of a person in it is a role unless `names`."""
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"], ascending=False)
    shown = dict(zip(days["gameday_id"], days["title"], strict=True))
    if names or store.version("gameday_roles") is None:
        return shown
    tables = {name: table(store, name) for name in roles.TABLES}
    for day in tables["gameday_roles"].dropna(subset="names")["gameday_id"].unique():
        own = {name: rows[rows["gameday_id"] == day] for name, rows in tables.items()}
        shown[day] = roles.hidden(own)["gamedays"]["title"].iloc[0]
    return shown


def gameday_context(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """What surrounds one GameDay, for `gameday.Around`: rows of the tables named, of other GameDays too.

    The GameDay tables hold earlier days and those that repeat one of its experiments; `series` the probes of the latter,
    and every fine series (at most five minutes) while this day's faults ran; `classes` the real incidents
    with their failure class, `real` as they are and `onsets` when their series first moved.
    """
    real = incidents(store, kind="real")
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"])
    ran = table(store, "experiments")
    mine = days[days["gameday_id"] == gameday_id].iloc[0]
    keys = ran.loc[ran["gameday_id"] == gameday_id, "experiment_key"]
    again = days["gameday_id"].isin(ran.loc[ran["experiment_key"].isin(keys), "gameday_id"])
    others = days[(days["gameday_id"] != gameday_id) & (again | (days["held_on"] < mine["held_on"]))]
    repeats = others.loc[again, "gameday_id"]
    wanted = {"gameday_id": others["gameday_id"].tolist()}
    found = {
        name: table(store, name, where=wanted) if len(others) else schema.frame(name)
        for name in schema.GAMEDAY_TABLES
    }
    probes = found["experiment_probes"]
    return {
        **found,
        "series": pd.concat(
            [
                services_around(store, ran[ran["gameday_id"] == gameday_id]),
                watched(
                    store, probes[probes["gameday_id"].isin(repeats)], ran[ran["gameday_id"].isin(repeats)]
                ),
            ],
            ignore_index=True,
        ),
        "service_edges": table(store, "service_edges"),
        "classes": classes(store),
        "real": real,
        "onsets": onsets(store, real),
    }


def watched(store: Store, probes: pd.DataFrame, ran: pd.DataFrame) -> pd.DataFrame:
    """Series of the probes and backlogs of GameDays, around the faults of each."""
    spans = [span for _, day in ran.groupby("gameday_id") if (span := _span(day)) is not None]
    metrics = set(probes["metric"]) | set(ran["backlog_metric"].dropna())
    scopes = set(probes["scope"]) | set(ran["backlog_scope"].dropna())
    if not spans or not metrics:
        return schema.frame("series")
    return table(store, "series", where={"metric": metrics, "scope": scopes}, between=spans)


def services_around(store: Store, ran: pd.DataFrame) -> pd.DataFrame:
    """Fine series of every service from some hours before the first fault of `ran` (experiments of one day) to its end."""
    span = _span(ran)
    if span is None:
        return schema.frame("series")
    rows = table(store, "series", between=(span[0] - reach.AROUND, span[1] + reach.AROUND))
    return rows[
        (rows["interval_s"] <= FINE_S) & rows["scope"].str.contains("service:", regex=False)
    ].reset_index(drop=True)


def _span(ran: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """From an hour and a time box before the first fault to as much after the last."""
    start = ran["fault_started_at"].min()
    if pd.isna(start):
        return None
    box, hour = pd.Timedelta(minutes=float(ran["planned_min"].max())), pd.Timedelta(hours=1)
    last = max(ran["fault_started_at"].max() + box, ran["fault_ended_at"].max())
    return start - box - hour, last + box + hour


def surprise_edges(store: Store) -> pd.DataFrame:
    """What moved in an experiment of any GameDay although nobody had declared that it depends on a target.

    One row per experiment, target and service, as `blast_radius.surprise_edges`, with `gameday_id` first. It takes seconds
    per GameDay, so the answer is kept beside a store on disk, under a name made from all it depends on: of the series, the
    files that may hold that day.
    """
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"])["gameday_id"]
    edges = table(store, "service_edges")
    real = incidents(store, kind="real")[["incident_id", "started_at", "services"]]
    found = [_surprises(store, day, edges, real) for day in days]
    found = [rows for rows in found if len(rows)]
    columns = ["gameday_id", *blast_radius.SURPRISES]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _surprises(store: Store, day: str, edges: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    ran, targets = (
        table(store, name, where={"gameday_id": [day]}) for name in ("experiments", "experiment_targets")
    )

    def made() -> pd.DataFrame:
        near = services_around(store, ran)
        found = blast_radius.radius(ran, targets, reach.reach(ran, near, real), edges)
        return blast_radius.surprise_edges(found, targets).assign(gameday_id=day)

    return kept(store, "surprises", [ran, targets, edges, real, *around_day(store, ran)], made)


def around_day(store: Store, ran: pd.DataFrame) -> list[str]:
    """What an answer about one GameDay depends on in the series: the files that may hold its hours, and corrections."""
    span = _span(ran)
    if span is None:
        return []
    names = store.holding("series", (span[0] - reach.AROUND, span[1] + reach.AROUND))
    return [*names, f"corrections {store.version('corrections')}"]
