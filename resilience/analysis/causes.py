"""Root-cause class of each report, with a probability or `unknown`, and what the classes add up to.

The class is an index onto contributing factors, not the truth about an incident: two people agree on about 61 % of
single labels (METHODS.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from ..plain_text import without_markup
from . import linking
from .classifier import CauseClassifier as CauseClassifier
from .taxonomy import UNKNOWN, Taxonomy, packaged

OPENING_WORDS = 300  # of a report without a section on its cause
_HEADING = re.compile(
    r"^ {0,3}(?:#{1,6}\s+(?P<hash>\S.{0,120})|\*\*(?P<bold>[^*\n]{2,80})\*\*:?\s*|(?P<plain>[A-Z][A-Za-z ]{2,40}):\s*)$"
)
_CAUSE_HEADING = re.compile(
    r"\b(?:causes?|triggers?|fault|contributing|what happened|what went wrong|whys|leadup|diagnosis)\b", re.I
)


@dataclass(frozen=True)
class Causes:
    """A class for every report. `table`, one row per incident, in the order given:

    incident_id; failure_class ('unknown' where nothing is likely enough); probability that it is the main cause (null
    where unknown); second_class and second_probability (a second cause, for reports that seem to have two; where
    unknown, the best guess; of a human label, the second cause it names, without a probability); decided_by ('label',
    'model' or 'none'); phrases (what in the report moved it, joined by '; '); mechanisms (tags such as cascade, joined
    by ', '); note (what a reader should know, such as annotators who disagree); and
    p_<class> for every class and p_unknown, which add up to 1. A report without a class has p_unknown = 1, so that
    its doubt reaches every total instead of being spread over the classes. `kinds`: kinds of incident in it.
    """

    table: pd.DataFrame
    text: str
    kinds: tuple[str, ...]
    taxonomy_version: str
    linked: str = ""  # how many are told by several sources, as a sentence


@dataclass(frozen=True)
class Distribution:
    """What the classes add up to. `table`, one row per class, most expected first and `unknown` last:

    failure_class; expected (sum of probabilities); low and high (95 % of the exact distribution of the count: doubt
    about the class of each report, not chance in what happened); likeliest (reports whose class it is); labelled
    (of these, decided by a person).
    """

    table: pd.DataFrame
    text: str


def classify(
    incidents: pd.DataFrame, labels: pd.DataFrame | None = None, taxonomy: Taxonomy | None = None
) -> Causes:
    """Classes of `incidents` (columns of that table); `labels` (columns of that table) teach the model and win over it.

    Where annotators of one report disagree, each has an equal vote, the likelier of the tied classes is shown, and
    the note says so. Labels of classes that the taxonomy does not have, or of reports that are not here, are left
    out and counted in `text`. Raises InputError where an incident stands twice.
    """
    taxonomy = taxonomy or packaged()
    ids = incidents["incident_id"].astype("str")
    if ids.duplicated().any():
        raise InputError(
            f"{int(ids.duplicated().sum())} row(s) repeat an incident, first {ids[ids.duplicated()].iloc[0]}.",
            remedy="One row per incident; join services afterwards.",
        )
    texts = report_texts(incidents)
    renamed = 0
    if labels is not None:
        labels, renamed = under_current_names(labels, taxonomy)
    votes, left_out = _votes(labels, taxonomy, {incident: row for row, incident in enumerate(ids)})
    model = CauseClassifier(taxonomy).fit(
        [texts[row] for row in votes["row"]], list(votes["failure_class"]), list(votes["share"])
    )
    table = _table(ids, texts, model, votes)
    told = [
        taxonomy.mechanisms_in(f"{text}\n{whole}")
        for text, whole in zip(texts, incidents["text"].fillna(""), strict=True)
    ]
    table.insert(
        list(table).index("note"), "mechanisms", pd.array([", ".join(m) or None for m in told], dtype="str")
    )
    kinds = tuple(sorted(incidents["kind"].dropna().unique())) if "kind" in incidents else ()
    said = " ".join(
        filter(None, [_classify_text(table, model, taxonomy, left_out, renamed), linking.sentence(incidents)])
    )
    return Causes(table, said, kinds, taxonomy.version, linking.sentence(incidents))


def _table(ids: pd.Series, texts: list[str], model: CauseClassifier, votes: pd.DataFrame) -> pd.DataFrame:
    names = np.array([*model.classes_, UNKNOWN], dtype=object)
    rows, voted = np.arange(len(texts)), votes["row"].to_numpy(dtype=int)
    found = model.predict_proba(texts)
    sure = found.max(axis=1, initial=0) >= model.threshold_
    labelled = np.isin(rows, voted)
    modelled = np.where((sure & ~labelled)[:, None], found, 0.0)
    shares = np.column_stack([modelled, (~sure & ~labelled).astype(float)])
    columns = np.array([list(names).index(name) for name in votes["failure_class"]], dtype=int)
    np.add.at(shares, (voted, columns), votes["share"].to_numpy(dtype=float))
    leaning = np.column_stack(
        [found, np.zeros(len(rows))]
    )  # where annotators tie, the model's likelier class is first
    order = np.argsort(-(shares + 1e-6 * leaning), axis=1, kind="stable")
    best, second = order[:, 0], order[:, 1]
    next_probability = shares[rows, second]
    guessed = (best == len(names) - 1) & ~labelled  # unknown to the model: its best guess stands second
    second = np.where(guessed, found.argmax(axis=1) if len(rows) else second, second)
    next_probability = np.where(guessed, found.max(axis=1, initial=0), next_probability)
    notes: list[str | None] = [None] * len(rows)
    two = np.isin(rows, voted) | guessed | (model.second_of(found) != "")
    next_probability = np.where(two, next_probability, 0.0)
    seconds = [names[j] if p > 0 else None for j, p in zip(second, next_probability, strict=True)]
    for row in np.unique(voted).tolist():
        group = votes[voted == row]
        if len(group) > 1:
            said = zip(group["failure_class"], group["votes"], strict=True)
            notes[row] = f"annotators disagree: {', '.join(f'{name} {count}' for name, count in said)}"
        elif pd.notna(group["second_class"].iloc[0]):
            seconds[row] = group["second_class"].iloc[0]
    table = {
        "incident_id": ids.to_numpy(),
        "failure_class": names[best],
        "probability": np.where(best == len(names) - 1, np.nan, shares[rows, best]),
        "second_class": seconds,
        "second_probability": np.where(next_probability > 0, next_probability, np.nan),
        "decided_by": np.select([labelled, sure], ["label", "model"], "none"),
        "phrases": model.explain(texts, list(np.where(guessed, names[second], names[best]))),
        "note": notes,
        **{f"p_{name}": shares[:, i] for i, name in enumerate(names)},
    }
    return pd.DataFrame(table).astype(dict.fromkeys(_TEXT_COLUMNS, "str"))


def under_current_names(labels: pd.DataFrame, taxonomy: Taxonomy) -> tuple[pd.DataFrame, int]:
    """`labels` with renamed classes under their names of today (`Taxonomy.renamed`), and how many rows that changed."""
    columns = ["failure_class", "second_class"]
    old = labels[columns].isin(list(taxonomy.renamed))
    if not old.to_numpy().any():
        return labels, 0
    return labels.assign(**{c: labels[c].replace(taxonomy.renamed) for c in columns}), int(
        old.any(axis=1).sum()
    )


def distribution(causes: Causes) -> Distribution:
    """Expected number of reports per class, with the exact 95 % range that the doubt about each report leaves.

    The count of a class is a sum of independent yes-or-no draws (Poisson-binomial); `unknown` is a row of its own and
    is never spread over the others. Raises RefusedError where drills or tests would be counted among incidents.
    """
    if len(causes.kinds) > 1:
        raise RefusedError(
            f"{', '.join(causes.kinds)} would be counted together, and a drill is not an incident.",
            remedy="Classify the incidents of one kind.",
        )
    table = causes.table
    rows = []
    for column in map(str, table.columns[table.columns.str.startswith("p_")]):
        name, p = column.removeprefix("p_"), table[column].to_numpy(dtype=float)
        mine = table["failure_class"] == name
        low, high = _range(p)
        rows.append(
            [
                name,
                float(p.sum()),
                low,
                high,
                int(mine.sum()),
                int((mine & (table["decided_by"] == "label")).sum()),
            ]
        )
    found = pd.DataFrame(rows, columns=["failure_class", "expected", "low", "high", "likeliest", "labelled"])
    found["last"] = found["failure_class"] == UNKNOWN
    found = found.sort_values(
        ["last", "expected", "failure_class"], ascending=[True, False, True], ignore_index=True
    )
    found = found.drop(columns="last").astype({"failure_class": "str"})
    n = len(table)
    if not n:
        return Distribution(found, "There is no report to classify.")
    top, after, unknown = found.iloc[0], found.iloc[1], found.iloc[-1]
    tie = f", so it may as well be {after['failure_class']}" if after["high"] >= top["low"] else ""
    text = (
        f"The commonest class of {n} reports is {top['failure_class']}: about {top['expected']:.0f}, between "
        f"{top['low']} and {top['high']} as far as doubt about single reports goes{tie}. {unknown['likeliest']} "
        f"({unknown['likeliest'] / n:.0%}) cannot be told and stay unknown in every total. A class is where to look "
        "first; the contributing factors are in the reports."
    )
    if found["expected"].iloc[:-1].sum() == 0:
        text = f"None of {n} reports says enough about its cause: all stay unknown."
    return Distribution(found, f"{text} {causes.linked}".strip())


def report_texts(incidents: pd.DataFrame, *, masked: bool = False) -> list[str]:
    """What the classifier reads of each report: title, summary, and its sections on the cause, or else its opening.

    Sections on repair, lessons and actions name what was done, often in the words of another class. `masked`: the
    other way round, title, summary and the opening of what stands outside of the sections on the cause.
    """
    given = (
        incidents[["title", "summary", "text"]]
        .astype(object)
        .where(incidents[["title", "summary", "text"]].notna(), "")
    )
    return [
        "\n".join(
            part
            for part in (title, without_markup(summary), _about_cause(without_markup(text), masked))
            if part
        )
        for title, summary, text in given.itertuples(index=False)
    ]


def summaries(incidents: pd.DataFrame) -> list[str]:
    """Title and summary of each report, or where it has none its opening: the least that a report says of itself."""
    rows = incidents[["title", "summary", "text"]].astype(object).itertuples(index=False)
    return [
        f"{title}\n{summary if isinstance(summary, str) else _opening(str(text))}"
        for title, summary, text in rows
    ]


def _opening(text: str) -> str:
    return " ".join(text[: 20 * OPENING_WORDS].split()[:OPENING_WORDS])


def _about_cause(text: str, masked: bool = False) -> str:
    kept: list[str] = []
    rest: list[str] = []
    inside = False
    for line in text.splitlines():
        heading = _HEADING.match(line) if len(line) < 160 else None
        if heading:
            inside = bool(_CAUSE_HEADING.search(heading[heading.lastgroup or 0]))
        elif inside:
            kept.append(line)
        else:
            rest.append(line)
    if kept and not masked:
        return "\n".join(kept)
    return _opening(" ".join(rest) if masked else text)


_TEXT_COLUMNS = ("incident_id", "failure_class", "second_class", "decided_by", "phrases", "note")


def _votes(
    labels: pd.DataFrame | None, taxonomy: Taxonomy, place: dict[str, int]
) -> tuple[pd.DataFrame, list[str]]:
    """One row per report (`row`, its place) and class that people gave it, with its share of votes; what was left out."""
    if labels is None or labels.empty:
        return pd.DataFrame(columns=["row", "failure_class", "votes", "second_class", "share"]), []
    known = labels["failure_class"].isin([*taxonomy.names, UNKNOWN])
    here = labels["incident_id"].isin(list(place))
    left_out = []
    if (~known).any():
        foreign = ", ".join(sorted(labels.loc[~known, "failure_class"].unique())[:3])
        left_out.append(
            f"{int((~known).sum())} label(s) of classes that the taxonomy does not have ({foreign})"
        )
    if (known & ~here).any():
        left_out.append(f"{int((known & ~here).sum())} label(s) of reports that are not here")
    used = labels[known & here]
    used = used.assign(row=used["incident_id"].map(place))
    counted = used.groupby(["row", "failure_class"], as_index=False, sort=True).agg(
        votes=("failure_class", "size"), second_class=("second_class", "first")
    )
    counted["share"] = counted["votes"] / counted.groupby("row")["votes"].transform("sum")
    return counted, left_out


def _range(p: np.ndarray, level: float = 0.95) -> tuple[int, int]:
    """Quantiles of a sum of independent draws with probabilities `p`, by exact convolution."""
    mass = np.ones(1)
    for q in p[(p > 0) & (p < 1)]:
        mass = np.convolve(mass, (1 - q, q))
    below = np.cumsum(mass)
    sure, tail = int((p >= 1).sum()), (1 - level) / 2
    last = len(mass) - 1
    low, high = (min(int(np.searchsorted(below, q - 1e-12)), last) for q in (tail, 1 - tail))
    return sure + low, sure + high


def _classify_text(
    table: pd.DataFrame, model: CauseClassifier, taxonomy: Taxonomy, left_out: list[str], renamed: int
) -> str:
    by = table["decided_by"].value_counts()
    says = [
        f"{len(table)} reports: {by.get('label', 0)} classed by people, {by.get('model', 0)} by the model, "
        f"{by.get('none', 0)} unknown because no class reaches {model.threshold_:.0%} (taxonomy {taxonomy.version})."
    ]
    if not model.n_labels_:
        says.append("No labels yet: the model goes by the taxonomy's phrases alone.")
    elif model.temperature_ == 1:
        says.append("There are too few labels to check its probabilities: read them as a ranking.")
    disagree = int(table["note"].notna().sum())
    if disagree:
        says.append(f"On {disagree} report(s) annotators disagree.")
    if renamed:
        says.append(
            f"{renamed} label(s) name a class that was renamed since; they are read under its new name."
        )
    if left_out:
        says.append(f"Left out: {'; '.join(left_out)}.")
    return " ".join(says)
