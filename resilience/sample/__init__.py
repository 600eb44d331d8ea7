"""A seeded, simulated online marketplace whose truth is known: incident reports, series, labels and two GameDays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .truth import Truth, plan

__all__ = ["Truth", "write"]


def write(folder: Path, *, seed: int = 2019, progress: Callable[[str], None] | None = None) -> Truth:
    """Writes `folder`/data: truth.json first, then incidents, labels, gamedays and series; returns the truth.

    Equal seeds give equal bytes, whatever the machine's zone, locale or hash seed. `progress` is called with one
    line per stage. Files of an earlier sample of the same names are replaced, others left alone.
    """
    from . import gamedays, labels, reports, series
    from .world import streams

    say = progress or (lambda stage: None)
    data, rngs = folder / "data", streams(seed)
    say("Deciding what is true")
    truth = plan(seed)
    truth.write(data / "truth.json")
    say(f"Writing {len(truth.world.incidents)} incident reports")
    reports.write(data / "incidents", truth.world)
    labels.write(data / "labels" / "root_cause.csv", truth.labels)
    say("Writing both GameDays, minute by minute")
    for recording in truth.recordings:
        gamedays.write(data, recording)
    say(f"Writing two years of series for {len(truth.world.services)} services")
    hours = series.hourly(truth.world, rngs["series"])
    series.write_hourly(data / "series", truth.world, hours, [gamedays.minutes(truth.recordings[0])])
    return truth
