"""Which reports to ask people about next, and where a person and the model disagree with confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from .causes import report_texts, under_current_names
from .classifier import CauseClassifier, near_duplicates
from .evaluation import held_out
from .taxonomy import UNKNOWN, Taxonomy, packaged

CONFIDENT = (
    0.7  # held-out probability from which the model's contradiction of a person is worth a second look
)


def ask_next(incidents: pd.DataFrame, labels: pd.DataFrame, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Incidents without a label, those that would teach most first: incident_id, doubt (entropy, bits), alike.

    Doubt is what the model, taught by `labels`, cannot tell (uncertainty sampling); of reports that tell nearly the same
    story one is asked first and the others, counted in `alike`, come last.
    """
    taxonomy = taxonomy or packaged()
    labels, _ = under_current_names(labels, taxonomy)
    texts = report_texts(incidents)
    place = {name: i for i, name in enumerate(incidents["incident_id"])}
    known = labels[
        labels["incident_id"].isin(list(place)) & labels["failure_class"].isin([*taxonomy.names, UNKNOWN])
    ]
    model = CauseClassifier(taxonomy).fit(
        [texts[place[i]] for i in known["incident_id"]], list(known["failure_class"])
    )
    p = np.maximum(model.predict_proba(texts), 1e-12)
    found = pd.DataFrame(
        {
            "incident_id": list(incidents["incident_id"]),
            "doubt": -(p * np.log2(p)).sum(axis=1),
            "group": _stories(texts),
        }
    )
    found = found[~found["incident_id"].isin(set(labels["incident_id"]))]
    found = found.sort_values(["doubt", "incident_id"], ascending=[False, True], kind="stable")
    again = found.groupby("group").cumcount()
    found = found.assign(alike=found.groupby("group")["group"].transform("size") - 1, again=again)
    found = found.sort_values("again", kind="stable", ignore_index=True)
    return found[["incident_id", "doubt", "alike"]]


def disagreements(
    incidents: pd.DataFrame, labels: pd.DataFrame, taxonomy: Taxonomy | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Labels that the model contradicts with confidence, surest first: incident_id, title, labelled_by, failure_class
    (the person's), model_class, probability, phrases (what moved the model).

    The model never saw the label that it contradicts: its answer comes from folds that hold the report's group out. A label
    of a class that the report's second label names too is no contradiction.
    """
    taxonomy = taxonomy or packaged()
    labels, _ = under_current_names(labels, taxonomy)
    place = {name: i for i, name in enumerate(incidents["incident_id"])}
    known = labels[labels["incident_id"].isin(list(place)) & labels["failure_class"].isin(taxonomy.names)]
    columns = [
        "incident_id",
        "title",
        "labelled_by",
        "failure_class",
        "model_class",
        "probability",
        "phrases",
    ]
    known = known.reset_index(drop=True)
    rows = known["incident_id"].map(place).to_numpy(dtype=int)
    every = report_texts(incidents)
    texts = [every[row] for row in rows]
    if len(set(known["incident_id"])) < 2:
        return pd.DataFrame(columns=columns)
    p, classes = held_out(
        texts, list(known["failure_class"]), list(known["incident_id"]), taxonomy, seed=seed
    )
    best, surest = classes[p.argmax(axis=1)], p.max(axis=1)
    other = (best != known["failure_class"]) & (best != known["second_class"].fillna("").astype(object))
    said = known.groupby("incident_id")["failure_class"].agg(set)
    other &= np.array([name not in said[i] for name, i in zip(best, known["incident_id"], strict=True)])
    found = known.assign(
        title=[incidents["title"].iloc[row] for row in rows],
        model_class=best,
        probability=surest,
    )[(other & (surest >= CONFIDENT)).to_numpy()]
    picked = [texts[i] for i in found.index]
    phrases = CauseClassifier(taxonomy).fit([], []).explain(picked, list(found["model_class"]))
    found = found.assign(phrases=phrases).sort_values(["probability", "incident_id"], ascending=[False, True])
    return found[columns].reset_index(drop=True)


def _stories(texts: list[str]) -> np.ndarray:
    """Group number of each text: texts that tell nearly the same story share one."""
    try:
        words = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", sublinear_tf=True).fit_transform(
            texts
        )
    except ValueError:  # no text, or nothing but stop words
        return np.arange(len(texts))
    return near_duplicates(words)
