"""Worlds for tests of the ledger and the planner: ten rows by hand, and simulated marketplaces with their truth."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resilience import schema
from resilience.analysis import attribution, causes, ledger, rehearsals, taxonomy
from resilience.sample import draw, reports, truth
from resilience.sources import reports as source

CLASSES = taxonomy.packaged().names
END = pd.Timestamp("2021-06-01", tz="UTC")
START = pd.Timestamp("2019-06-01", tz="UTC")


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def touches(rows: list[tuple[str, str, str, str]], **common: Any) -> pd.DataFrame:
    """Touches of whole incidents: (id, class, service, day)."""
    made = [
        {
            "incident_id": incident, "failure_class": failure_class, "service": service, "environment": "production",
            "weight": 1.0, "at": at(day), "severity_weight": 0.5, "minutes": 60.0, "share": 1.0, **common,
        }
        for incident, failure_class, service, day in rows
    ]  # fmt: skip
    columns = list(attribution.TOUCHES)
    found = pd.DataFrame(made, columns=columns)
    found["at"] = pd.to_datetime(found["at"], utc=True)
    return found.astype({"weight": float, "severity_weight": float, "minutes": float, "share": float})


def incidents(given: pd.DataFrame) -> pd.DataFrame:
    rows = given.drop_duplicates("incident_id")
    detected = rows["at"] + pd.Timedelta(minutes=10)
    return pd.DataFrame(
        {"incident_id": rows["incident_id"], "started_at": rows["at"], "detected_at": detected}
    )


def run(failure_class: str, service: str, day: str, verdict: str, **fields: Any) -> dict[str, Any]:
    """One row of a rehearsal history."""
    return {
        "failure_class": failure_class, "service": service, "gameday_id": f"day-{day}", "experiment_key": f"{service}-test",
        "title": "A test", "held_on": at(day), "style": "informed", "environment": "production", "verdict": verdict,
        "reason": "As it was.", "outcome": "solved", "detect_min": 4.0, "mitigate_min": 15.0, "censored": False,
        "planned_min": 20.0, "load": np.nan, "load_unit": None, "load_basis": None, "fallback": None, "open_actions": 0,
        "closed_actions": 0, "source_uri": "gameday.yml", "simulated": False, **fields,
    }  # fmt: skip


def history(*runs: dict[str, Any]) -> pd.DataFrame:
    found = pd.DataFrame(list(runs), columns=list(rehearsals._HISTORY))
    found["held_on"] = pd.to_datetime(found["held_on"], utc=True)
    return found.sort_values("held_on", ignore_index=True)


def facts(*services: str, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"service": pd.Series(services, dtype="str"), **columns})


def book(
    given: pd.DataFrame, past: pd.DataFrame | None = None, known: pd.DataFrame | None = None, **more: Any
) -> ledger.Ledger:
    """A ledger of hand-made rows as of `END`."""
    services = facts(*sorted(set(given["service"]))) if known is None else known
    more = {"classes": CLASSES, "as_of": END, "start": START} | more
    return ledger.build(given, incidents(given), history() if past is None else past, services, **more)


@dataclass(frozen=True)
class Simulated:
    """A sample world as a ledger is told of it, read from its reports, and its truth."""

    touches: pd.DataFrame
    incidents: pd.DataFrame
    facts: pd.DataFrame
    graph: pd.DataFrame
    past: pd.DataFrame
    truth: dict[str, Any]


def rates(known: dict[str, Any]) -> pd.DataFrame:
    """What nobody can know: true incidents per year times expected severity (`value`), per cell of a truth."""
    told = known["cell_rates"]
    wide = pd.DataFrame(told["rates"], columns=told["services"]).assign(failure_class=told["classes"])
    table = wide.melt("failure_class", var_name="service", value_name="rate")
    weights = np.array(list(attribution.SEVERITY_WEIGHTS.values()))
    expected = {s["service"]: np.array(draw.SEVERITY[s["tier"]]) @ weights for s in known["services"]}
    return table.assign(value=table["rate"] * table["service"].map(expected))


def simulate(seed: int, *, world: str = "base", size: str = "small") -> Simulated:
    """Truth, written reports read back and classified with the labels that people gave, and GameDays as they went."""
    known = truth.plan(seed, world=world, size=size)
    with tempfile.TemporaryDirectory() as folder:
        reports.write(Path(folder) / "incidents", known.world)
        rows = source.read(Path(folder) / "incidents").incidents
    rows = rows[rows["kind"] == "real"].drop_duplicates("incident_id", ignore_index=True)
    fields = ("incident_id", "failure_class", "second_class", "labelled_by", "labelled_at")
    given = [
        {name: getattr(label, name) for name in fields} | {"taxonomy_version": "1"} for label in known.labels
    ]
    classed = causes.classify(rows, schema.frame("labels", given))
    services = known.world.services
    graph = pd.DataFrame([(s.name, c) for s in services for c in s.calls], columns=["caller", "callee"])
    about = facts(
        *(s.name for s in services), criticality=[s.tier for s in services], kind=[s.kind for s in services],
        traffic=[s.rps for s in services], team=[s.team for s in services],
    )  # fmt: skip
    about["callers"] = about["service"].map(graph["callee"].value_counts()).fillna(0.0)
    told = known.as_dict()
    verdicts = {(e["gameday_id"], e["experiment_key"]): e["verdict"] for e in told["experiments"]}
    past = history(
        *(
            run(
                cell["failure_class"],
                cell["service"],
                day["held_on"],
                verdicts[day["gameday_id"], cell["experiment_key"]],
            )
            for day in told["gamedays"]
            for cell in day["cells"]
        )
    )
    touched = attribution.touches(rows, classed.table, attribution.shares(rows, graph))
    return Simulated(touched, rows, about, graph, past, told)


def ledger_of(world: Simulated, *, past: pd.DataFrame | None = None) -> ledger.Ledger:
    return ledger.build(
        world.touches,
        world.incidents,
        world.past if past is None else past,
        world.facts,
        classes=CLASSES,
        as_of=END,
        start=START,
    )
