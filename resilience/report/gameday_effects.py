"""What a GameDay set in motion: how far its faults reached, and what was different in the year after it."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

from ..analysis.gameday import GameDayResult
from .figures import gameday as figures
from .panels import Panel, Panels, anchor, count, finding, table

_MOST_MOVED = 40  # movements that the figure shows; its table has all
_MOST_CELLS = 30  # beyond these there is a table and no figure
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def blast_radius(result: GameDayResult) -> Panel:
    """Which services moved in each experiment, and which of them nobody had declared."""
    moved = result.blast.table
    titles = dict(zip(result.table["experiment_key"], result.table["title"], strict=True))
    blast, ran = result.blast, len(result.table)
    if not blast.watched:
        text = f"How far the faults reached is not measured: {_reasons(blast.why)}."
        return Panel(text, body=anchor("blast-radius"))
    surprises = blast.surprises()
    graph = (
        f"{count(blast.edges, 'dependency', 'dependencies')} are declared"
        if blast.edges
        else "no dependencies are declared in the store, so none can be called a surprise"
    )
    text = (
        f"{count(len(moved), 'movement')} of a service in {count(len(blast.watched), 'experiment')} of {ran}; "
        f"{len(surprises)} of them neither a target nor joined to one ({graph}). Moving at the same time is a hint, not a "
        "proof: confirm each by an experiment."
    )
    if blast.chance:
        text += f" Without a fault, some service would seem to have moved {max(blast.chance.values()):.0%} of the time."
    if blast.why:
        text += f" Not measured in {len(blast.why)}: {_reasons(blast.why)}."
    if blast.apart:
        text += f" Left out, with an incident of their own on that day: {', '.join(blast.apart)}."
    if moved.empty:
        return Panel(text, body=anchor("blast-radius"))
    place = moved["experiment_key"].map(result.table.set_index("experiment_key")["position"])
    first = moved.assign(rank=moved["relation"] != "surprise", place=place)
    first = first.sort_values(["rank", "place", "at"], kind="stable")
    shown = first.head(_MOST_MOVED)
    left = len(first) - len(shown)
    text += f" The figure shows {len(shown)}, surprises first; {left} more are in the table." if left else ""
    zone = str(result.gameday["zone"])
    listed = first.assign(
        title=first["experiment_key"].map(titles), clock=first["at"].dt.tz_convert(zone).dt.strftime("%H:%M")
    )
    columns = {
        "title": "Experiment", "service": "Service", "relation": "Relation", "path": "Declared way",
        "metric": "First metric",
        "clock": "Moved at", "after_min": "After the fault (min)",
    }  # fmt: skip
    return Panel(text, figures.blast(shown, titles), table(listed, columns), anchor("blast-radius"))


def _reasons(why: dict[str, str]) -> str:
    """Each reason once, with how many experiments it holds for where there are several; numbers in them differ."""
    found = Counter(_NUMBER.sub("N", reason) for reason in why.values())
    first = {_NUMBER.sub("N", reason): reason for reason in reversed(why.values())}
    if len(found) == 1:
        return next(iter(first.values()), "none was run")
    return "; ".join(f"{first[reason]} ({n})" for reason, n in found.most_common(3))


def changed(result: GameDayResult) -> Panels:
    """The cells that this GameDay touched, before and after, and the same experiments at other GameDays."""
    panels = []
    if result.changes is None:
        text = "No classified incidents are in the store: before and after cannot be compared."
        panels.append(Panel(text, body=anchor("what-it-changed")))
    elif result.changes.table.empty:
        panels.append(Panel(result.changes.text, body=anchor("what-it-changed")))
    else:
        cells = result.changes.table
        columns = {
            "failure_class": "Failure class", "service": "Service", "before": "A year, before", "before_low": "from",
            "before_high": "to", "after": "A year, after", "after_low": "from ", "after_high": "to ",
            "before_unknown": "Class unknown, before", "after_unknown": "Class unknown, after", "verdict": "Verdict",
        }  # fmt: skip
        single = (
            " Single cells are exploratory (their verdicts are adjusted for how many were looked at); an incident "
            "may strike "
            "several. The class is the likeliest one; incidents of unknown class are counted apart."
        )
        drawn = figures.cells(cells) if len(cells) <= _MOST_CELLS else None
        panels.append(
            Panel(result.changes.text + single, drawn, table(cells, columns), anchor("what-it-changed"))
        )
    if result.detection is not None:
        said = f"<h3>Did people notice incidents sooner?</h3>{finding(result.detection.text)}"
        panels.append(Panel("", body=said))
    panels.append(_history(result))
    return Panels(panels)


def _history(result: GameDayResult) -> Panel:
    again = result.history
    if again.empty:
        return Panel(
            "",
            body="<h3>The same experiments in other years</h3><p>None of them is on record at another GameDay.</p>",
        )
    here = result.table.assign(
        gameday_id=result.gameday["gameday_id"],
        held_on=result.gameday["held_on"],
        style=result.gameday["style"],
    )
    both = pd.concat([again, here[here["experiment_key"].isin(again["experiment_key"])][list(again.columns)]])
    both = both.sort_values(["experiment_key", "held_on"], kind="stable")
    both = both.assign(day=both["held_on"].dt.strftime("%Y-%m-%d"))
    columns = {
        "experiment_key": "Experiment", "day": "Held on", "title": "Title", "targets": "Targets", "style": "Style",
        "environment": "Where", "verdict": "Verdict", "outcome": "Heroes", "mitigated_min": "Mitigated (min)",
        "fallback": "Fallback",
    }  # fmt: skip
    text = (
        f"{count(both['experiment_key'].nunique(), 'experiment')} of this day ran at other GameDays too. Style, "
        "place and targets "
        "differ from time to time, so times are not averaged."
    )
    return Panel(
        "", body=f"<h3>The same experiments in other years</h3>{finding(text)}{table(both, columns)}"
    )
