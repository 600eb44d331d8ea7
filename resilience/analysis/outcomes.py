"""The eleven outcomes that GameDays are held for: each evidenced, not measured or contradicted. There is no sum.

A card names what the record of this day supports. One day is one observation: "evidenced" says that something was
seen, not that it is so in general.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy

from . import claims

EVIDENCED, NOT_MEASURED, CONTRADICTED = STATES = ("evidenced", "not measured", "contradicted")
LEAST = 5  # first messages on either side before two GameDays' times to inform are compared
LEVEL = 0.05


class Finding(NamedTuple):
    """State of an outcome, why in words, and the anchor on the page where its evidence stands."""

    state: str
    why: str
    anchor: str


def card(day: Any) -> pd.DataFrame:
    """One row per outcome: outcome, state, why, anchor. `day` is a GameDayResult without its outcomes."""
    rows = [(name, *find(day)) for name, find in _OUTCOMES.items()]
    return pd.DataFrame(rows, columns=["outcome", "state", "why", "anchor"])


def _hidden(day: Any) -> Finding:
    watched, found = sum(day.blast.watched.values()), day.blast.surprises()
    if not watched or not day.blast.edges:
        lack = "no series of other services" if not watched else "no declared graph"
        return Finding(
            NOT_MEASURED, f"There is {lack} in the store to hold the movements against.", "blast-radius"
        )
    if len(found):
        pairs = "; ".join(
            f"{row.service} in {_title(day, row.experiment_key)}" for row in found.head(3).itertuples()
        )
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        said = (
            f"{_n(len(found), 'service')} moved without a declared connection: {pairs}{more}. To be confirmed"
        )
        if _by_chance(day.blast, found["experiment_key"].nunique()):
            return Finding(NOT_MEASURED, f"{said}: as many might have by chance.", "blast-radius")
        return Finding(EVIDENCED, f"{said}.", "blast-radius")
    ran = sum(1 for n in day.blast.watched.values() if n)
    return Finding(
        CONTRADICTED,
        f"Looked for in {_n(ran, 'experiment')}: no service with a series moved undeclared.",
        "blast-radius",
    )


def _by_chance(blast: Any, surprised: int) -> bool:
    """Whether so many experiments with a movement would be no surprise if no fault had moved anything."""
    chances = list(blast.chance.values())
    return bool(chances and scipy.stats.binom.sf(surprised - 1, len(chances), max(chances)) > LEVEL)


def _surprises(day: Any) -> Finding:
    notes = day.tables["gameday_notes"]
    found = notes[notes["kind"] == "surprise"]
    if found.empty:
        return Finding(NOT_MEASURED, "Nobody wrote down a surprise.", "take-away")
    return Finding(
        EVIDENCED, f"{_n(len(found), 'surprise')} written down, first: {found['text'].iloc[0]}", "take-away"
    )


def _boundaries(day: Any) -> Finding:
    left = day.table[day.table["verdict"] == "deviated"]
    held = int((day.table["verdict"] == "held").sum())
    if len(left):
        names = "; ".join(left["title"].head(3)) + (f"; and {len(left) - 3} more" if len(left) > 3 else "")
        return Finding(
            EVIDENCED, f"Service left its limits in {len(left)} of {len(day.table)}: {names}.", "experiments"
        )
    if held:
        return Finding(CONTRADICTED, f"No limit was reached: {held} of {len(day.table)} held.", "experiments")
    return Finding(NOT_MEASURED, "The data decide no experiment.", "experiments")


def _saturations(day: Any) -> Finding:
    planned = day.table[day.table["expected_backlog"].notna()]
    seen = planned[planned["observed_backlog"].notna()]
    if seen.empty:
        return Finding(NOT_MEASURED, "No queue or pool was watched while it filled.", "experiments")
    row = seen.iloc[0]
    filled = seen["observed_backlog"].max() > 0
    return Finding(EVIDENCED if filled else CONTRADICTED, f"{row['title']}: {row['backlog']}", row["anchor"])


def _trust(day: Any) -> Finding:
    rows = day.tables["gameday_surveys"]
    pairs = list(_pairs(rows))
    if not pairs:
        return Finding(NOT_MEASURED, "Nobody was asked the same question before and after.", "survey")
    up = [text for z, text in pairs if z > _Z]
    down = [text for z, text in pairs if z < -_Z]
    if down:
        return Finding(CONTRADICTED, f"{'; '.join(down)}.", "survey")
    if up:
        return Finding(
            EVIDENCED, f"{'; '.join(up)}. Those who answered may differ before and after.", "survey"
        )
    said = "; ".join(text for _, text in pairs)
    return Finding(NOT_MEASURED, f"{said}: too few answers to tell such a change from chance.", "survey")


_Z = float(scipy.special.ndtri(1 - LEVEL / 2))


def _pairs(rows: pd.DataFrame) -> Iterator[tuple[float, str]]:
    """Standardised change per question, with the largest spread that a mean on this scale can have: it errs to less."""
    for question, both in rows.dropna(subset=["score", "scale_max"]).groupby("question", sort=True):
        answers = both.set_index("moment")
        if not {"before", "after"} <= set(answers.index) or (answers["answered"] == 0).any():
            continue
        spread = sum(
            max(float(a["score"]), 0.0) * max(float(a["scale_max"] - a["score"]), 0.0) / float(a["answered"])
            for _, a in answers.iterrows()
        )
        change = float(answers.loc["after", "score"] - answers.loc["before", "score"])
        z = change / math.sqrt(spread) if spread else math.copysign(math.inf, change) if change else 0.0
        n = f"{int(answers.loc['before', 'answered'])} and {int(answers.loc['after', 'answered'])} answers"
        yield (
            z,
            f"“{question}” {answers.loc['before', 'score']:g} before, {answers.loc['after', 'score']:g} after ({n})",
        )


def _trained(day: Any) -> Finding:
    tried, people = day.table[day.table["attempted"]], day.people
    if tried.empty:
        return Finding(NOT_MEASURED, "Nobody was asked to solve anything.", "heroes")
    who = f"{people} people" if people else "Heroes (how many was not recorded)"
    said = f"{who} took part in {_n(len(tried), 'experiment')}. Whether they are faster next time is not known yet."
    return Finding(EVIDENCED if people else NOT_MEASURED, said, "heroes")


def _together(day: Any) -> Finding:
    notes, roles = day.tables["gameday_notes"], day.tables["gameday_roles"]
    learnt = int((notes["kind"] == "learning").sum())
    other = day.gameday["attendance_other"]
    if not learnt:
        return Finding(NOT_MEASURED, "Nobody wrote down what was learnt.", "take-away")
    groups = [f"{int(other)} from outside Tech"] if pd.notna(other) and other else []
    groups += [f"{len(roles)} roles"] if len(roles) > 1 else []
    if not groups:
        return Finding(
            NOT_MEASURED, f"{_n(learnt, 'learning')} written down; who was there was not.", "take-away"
        )
    return Finding(
        EVIDENCED,
        f"{_n(learnt, 'learning')} written down, with {' and '.join(groups)} in the room.",
        "take-away",
    )


def _process(day: Any) -> Finding:
    tried = day.table[day.table["attempted"]]
    if tried.empty:
        return Finding(NOT_MEASURED, "Nobody was asked to solve anything.", "heroes")
    late = tried[tried["censored"]]
    if len(late):
        said = f"{len(late)} of {_n(len(tried), 'experiment')} ran out of time: {'; '.join(late['title'])}."
        return Finding(CONTRADICTED, said, "heroes")
    timed = int(tried["mitigated_min"].notna().sum())
    if timed < len(tried):
        return Finding(NOT_MEASURED, f"Only {timed} of {len(tried)} have a recorded mitigation.", "heroes")
    return Finding(EVIDENCED, f"All {len(tried)} were mitigated within their time box.", "heroes")


def _communication(day: Any) -> Finding:
    now, before = _outside(day.told), _outside(day.told_before)
    if not len(now):
        return Finding(NOT_MEASURED, "No timed message to anybody outside Tech.", "communication")
    said = f"First told {_range(now)} min after the fault ({_n(len(now), 'first message')})"
    if not len(before):
        return Finding(
            NOT_MEASURED, f"{said}. There is no earlier GameDay to hold that against.", "communication"
        )
    said += f"; {_range(before)} min at earlier GameDays (n {len(before)})"
    if min(len(now), len(before)) < LEAST:
        return Finding(NOT_MEASURED, f"{said}: too few to compare.", "communication")
    p = scipy.stats.mannwhitneyu(now, before).pvalue
    if p > LEVEL:
        return Finding(NOT_MEASURED, f"{said}: not distinguishable.", "communication")
    faster = np.median(now) < np.median(before)
    return Finding(EVIDENCED if faster else CONTRADICTED, f"{said}.", "communication")


def _outside(told: pd.DataFrame) -> np.ndarray:
    """Minutes to the first message outside Tech, where it came after the fault."""
    rows = told[(told["audience"] != "inside") & (told["inform_min"] >= 0)]
    return rows["inform_min"].to_numpy(dtype=float)


def _range(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"


def _fallbacks(day: Any) -> Finding:
    known = day.table[day.table["fallback_held"].notna()]
    if known.empty:
        return Finding(NOT_MEASURED, "No fallback was exercised with a recorded result.", "experiments")
    failed = known[~known["fallback_held"].astype(bool)]
    shown = failed if len(failed) else known
    said = " ".join(shown["fallback"])
    if len(failed):
        return Finding(
            CONTRADICTED, f"{len(failed)} of {len(known)} did not hold. {said}", failed["anchor"].iloc[0]
        )
    return Finding(EVIDENCED, said, known["anchor"].iloc[0])


def _detection(day: Any) -> Finding:
    if day.detection is None:
        why = "There are no real incidents in the store whose time to detect could be compared."
        return Finding(NOT_MEASURED, why, "what-it-changed")
    state = NOT_MEASURED
    if day.detection.verdict == claims.SUPPORTED:
        state = EVIDENCED if day.detection.better else CONTRADICTED
    return Finding(state, day.detection.short, "what-it-changed")


_OUTCOMES: dict[str, Callable[[Any], Finding]] = {
    "Hidden interdependencies found": _hidden,
    "Surprises found": _surprises,
    "Boundaries and weaknesses found": _boundaries,
    "Saturations found": _saturations,
    "Trust and confidence grew": _trust,
    "Responders trained": _trained,
    "Learning together": _together,
    "Incident process validated": _process,
    "Communication improved": _communication,
    "Fallbacks validated": _fallbacks,
    "Time to detect improved": _detection,
}


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _title(day: Any, key: str) -> str:
    return str(day.table.set_index("experiment_key").loc[key, "title"])
