"""A seeded, simulated online marketplace whose truth is known: incident reports, series, labels and two GameDays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .switches import (
    SIZES,
    WORLDS,
)  # the rest is imported when it is used: the command line asks for these alone

if TYPE_CHECKING:
    from .truth import Truth

__all__ = ["SIZES", "WORLDS", "write"]


def write(
    folder: Path,
    *,
    seed: int = 2019,
    world: str = "base",
    size: str = "full",
    progress: Callable[[str], None] | None = None,
) -> Truth:
    """Writes `folder`/data: truth.json first, then reports, labels, GameDays, graph, deployments and series.

    `world`: one of WORLDS; `size`: one of SIZES. Equal arguments give equal bytes, whatever the machine's zone, locale
    or hash seed. `progress` is called with one line per stage. Files of an earlier sample of the same names are
    replaced, others left alone.
    """
    from . import calendar, deployments, gamedays, graph, labels, minutes, reports, series
    from .truth import plan
    from .world import streams

    say = progress or (lambda stage: None)
    data = folder / "data"
    say("Deciding what is true")
    truth = plan(seed, world=world, size=size)
    known = truth.world
    truth.write(data / "truth.json")
    say(f"Writing {len(known.incidents)} incident reports")
    reports.write(data / "incidents", known)
    labels.write(data / "labels" / "root_cause.csv", truth.labels)
    graph.write(data / "graph", known.services)
    deployments.write(data / "deployments", known.deployments)
    calendar.write(data / "calendar.yml")
    say("Writing both GameDays, minute by minute")
    for recording in truth.recordings:
        gamedays.write(data, recording)
    say(f"Writing two years of series for {len(known.services)} services")
    hours = series.calm(known, streams(seed)["series"])
    tables = minutes.around(known, hours)
    series.apply(known, hours)
    minutes.agree(known, hours, tables, truth.recordings[0])
    series.write(data / "series", known, hours)
    say("Writing the minutes around every incident")
    minutes.write(data / "series", known, tables)
    return truth
