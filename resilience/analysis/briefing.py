"""A GameDay for people outside Tech: what we tried, what happened, what it means for customers, what we do next.

Plain words made from the record alone. Nothing is explained away, nobody is blamed, and what was not measured is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .rehearsal import ATTEMPTED

WHERE = {
    "production": "in the live system (with customers on it)",
    "staging": "in a test copy (no customers)",
    "isolated": "in a separate copy (no customers)",
}
VERDICTS = {
    "held": "What we measured stayed normal",
    "deviated": "Service left its normal limits",
    "inconclusive": "The data cannot tell",
}
COLUMNS = ["position", "experiment_key", "title", "tried", "verdict", "happened", "customers", "next"]
_WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
CUSTOMER_FACING = ("customers", "customer service")


@dataclass(frozen=True)
class Briefing:
    """The four answers as sentences, and `table`: the same per experiment, columns as `COLUMNS`, in plain words."""

    tried: str
    happened: str
    customers: str
    next: str
    table: pd.DataFrame

    def numbers(self) -> dict[str, Any]:
        return {
            "tried": self.tried,
            "happened": self.happened,
            "customers": self.customers,
            "next": self.next,
            "experiments": self.table.to_dict("records"),
        }


def brief(
    gameday: Mapping[str, Any], table: pd.DataFrame, notes: pd.DataFrame, people: int | None, teams: int = 0
) -> Briefing:
    """`table`: experiments of a GameDayResult; `notes`: gameday_notes of the day; `teams`: how many were scored."""
    zone = str(gameday["zone"])
    rows = [
        (row.position, row.experiment_key, row.title, _tried(row, gameday["style"]), row.verdict, _happened(row),
         _customers(row, notes, zone), _next(notes[notes["experiment_key"] == row.experiment_key]))
        for row in table.itertuples()
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=COLUMNS).astype(object)
    return Briefing(
        _all_tried(gameday, table, people),
        _all_happened(table, teams),
        _all_customers(table, notes),
        _all_next(notes, table),
        found,
    )


def _ran(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["outcome"] != "not_run"]


def _all_tried(gameday: Mapping[str, Any], table: pd.DataFrame, people: int | None) -> str:
    ran = _ran(table)
    if ran.empty:
        return "Nothing was tried, or nothing is on record."
    told = "It was announced." if gameday["style"] == "informed" else "It was not announced."
    places = ran["environment"].value_counts()
    parts = [f"{_count(int(places[e]))} {words}" for e, words in WHERE.items() if e in places]
    where = f", {WHERE[ran['environment'].iloc[0]]}" if len(parts) == 1 else f": {_listed(parts)}"
    team = (
        f" {people} people took part."
        if people
        else " Nobody was asked to find the fault."
        if people == 0
        else ""
    )
    left = len(table) - len(ran)
    skipped = (
        f" {_count(left).capitalize()} more {'was' if left == 1 else 'were'} planned and not run."
        if left
        else ""
    )
    things = f"{_count(len(ran))} thing{'s' if len(ran) != 1 else ''}"
    return f"On {gameday['held_on']:%-d %B %Y} we broke {things} on purpose{where}. {told}{team}{skipped}"


def _all_happened(table: pd.DataFrame, teams: int) -> str:
    ran = _ran(table)
    count = ran["verdict"].value_counts()
    parts = [
        (words, int(count[verdict]))
        for verdict, words in (
            ("held", "service stayed within its normal limits in"),
            ("deviated", "left them in" if "held" in count else "service left its normal limits in"),
            ("inconclusive", "the data cannot tell in"),
        )
        if verdict in count
    ]
    told = [f"{words} {_part(n, len(ran)) if i else _of(n, len(ran))}" for i, (words, n) in enumerate(parts)]
    said = f"{_listed(told)}.".capitalize() if told else "Nothing ran."
    tried = ran[ran["outcome"].isin(ATTEMPTED)]
    if tried.empty:
        return said
    solved = int(tried["outcome"].isin(("solved", "workaround")).sum())
    who = f"At least one of {teams} teams" if teams else "Those who looked for the cause"
    return f"{said} {who} put things right within the time set in {_of(solved, len(tried))}."


def _all_customers(table: pd.DataFrame, notes: pd.DataFrame) -> str:
    ran = _ran(table)
    live = ran[ran["environment"] == "production"]
    if live.empty:
        return "Customers could not notice any of it: nothing ran in the live system."
    longest = float(live["fault_min"].max())
    minutes = f" for up to {longest:.0f} minutes each" if longest == longest else ""
    said = [f"{_count(len(live)).capitalize()} ran in the live system{minutes}."]
    hurt, unknown = live[live["verdict"] == "deviated"], live[live["verdict"] == "inconclusive"]
    if len(hurt):
        said.append(f"Customers may have noticed {_titles(hurt)}: service left its normal limits.")
    if len(unknown):
        said.append(f"We cannot say for {_titles(unknown)}: the data cannot tell.")
    outside = notes[(notes["kind"] == "communication") & _facing(notes)]
    unseen = live[(live["verdict"] == "held") & live["experiment_key"].isin(outside["experiment_key"])]
    if len(unseen):
        said.append(f"In {_titles(unseen)} people were told of effects that our measurements did not show.")
    if not len(hurt) and not len(unseen) and not len(unknown):
        said.append("Nothing we measured left its normal limits.")
    return " ".join(said)


def _facing(notes: pd.DataFrame) -> pd.Series:
    return notes["audience"].fillna("").str.strip().str.lower().isin(CUSTOMER_FACING)


def _all_next(notes: pd.DataFrame, table: pd.DataFrame) -> str:
    actions = notes[notes["kind"] == "action"]
    if actions.empty:
        return "Nothing was agreed, or nobody wrote it down."
    done, left = int((actions["state"] == "done").sum()), actions[actions["state"] != "done"]
    agreed = f"{_count(len(actions)).capitalize()} improvement{'s' if len(actions) != 1 else ''} agreed"
    said = f"{agreed}, {_count(done) if done else 'none'} done."
    place = dict(zip(table["experiment_key"], table["position"], strict=True))
    first = (
        left.assign(place=left["experiment_key"].map(place))
        .sort_values(["place", "position"])["text"]
        .head(2)
    )
    lead = (
        "Still to do:"
        if len(left) <= len(first)
        else f"{_count(len(left)).capitalize()} are still to do, such as:"
    )
    return " ".join([said, *([lead] if len(first) else []), *map(sentence, first)])


def _titles(rows: pd.DataFrame) -> str:
    shown = [f"“{title}”" for title in rows["title"].head(3)]
    return _listed(shown) if len(rows) <= 3 else f"{', '.join(shown)} and {len(rows) - 3} more"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _tried(row: Any, style: str) -> str:
    """The symptom that heroes were told; where they were told none, what was broken."""
    if row.outcome == "not_run":
        return "Planned, not run."
    what = (
        row.symptom
        if style == "informed"
        else f"{row.failure_class.replace('-', ' ')} at {row.targets}".capitalize()
    )
    return f"{sentence(what)} {WHERE[row.environment].capitalize()}."


def _happened(row: Any) -> str:
    if row.outcome == "not_run":
        return "It was not run."
    words = {
        "solved": "The cause was found and removed",
        "workaround": "The effect was stopped by another way",
        "not_solved": f"It was not solved within the {row.planned_min:g} minutes set",
        "not_attempted": "Nobody was asked to solve it",
        "aborted": "It was called off",
    }[row.outcome]
    took = row.mitigated_min
    after = f" after {took:.0f} minutes" if row.outcome in ("solved", "workaround") and pd.notna(took) else ""
    told = f" {sentence(row.outcome_text)}" if pd.notna(row.outcome_text) else ""
    return f"{VERDICTS[row.verdict]}. {words}{after}.{told}"


def _customers(row: Any, notes: pd.DataFrame, zone: str) -> str:
    if row.outcome == "not_run":
        return "Nothing."
    if row.environment != "production":
        return "Customers could not notice: it was a copy of the system."
    said = {
        "held": "Nothing we measured left its normal limits.",
        "deviated": "Customers may have noticed: service left its normal limits.",
        "inconclusive": "The data cannot tell.",
    }[row.verdict]
    mine = notes[
        (notes["experiment_key"] == row.experiment_key) & (notes["kind"] == "communication") & _facing(notes)
    ]
    for audience in CUSTOMER_FACING:
        first = mine[mine["audience"].str.strip().str.lower() == audience].head(1)
        for note in first.itertuples():
            at = f" at {note.at.tz_convert(zone):%H:%M}" if pd.notna(note.at) else ""
            return f"{said} {audience.capitalize()} {'were' if audience == 'customers' else 'was'} told{at}: “{note.text}”."
    return said + " Nobody is recorded to have told customers or customer service."


def _next(mine: pd.DataFrame) -> str:
    actions = mine[mine["kind"] == "action"]
    parts = [
        sentence(
            f"{row.text} ({', '.join(str(v) for v in (row.owner, row.state) if pd.notna(v))})".replace(
                " ()", ""
            )
        )
        for row in actions.itertuples()
    ]
    return " ".join(parts) or "Nothing was agreed."


def sentence(text: str) -> str:
    """`text` on one line, with a full stop where it ends without one."""
    folded = " ".join(str(text).split())
    return folded if folded.endswith((".", "!", "?")) else f"{folded}."


def _of(n: int, whole: int) -> str:
    """How many of all."""
    return f"all {_count(whole)}" if n == whole > 1 else f"{_part(n, whole)} of {_count(whole)}"


def _part(n: int, whole: int) -> str:
    """`n` as `whole` is written: in words, or in digits."""
    return _count(n) if whole < len(_WORDS) else str(n)


def _count(n: int) -> str:
    return _WORDS[n] if n < len(_WORDS) else str(n)
