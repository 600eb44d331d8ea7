"""How far the classes of reports can be trusted: held-out scores beside what reading nothing would score.

Nested: each outer fold is classified by a model that never saw it, whose temperature and threshold come from inner
folds of the rest. Grouped: reports of one group, and reports that tell nearly the same story, are never split.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedGroupKFold

from ..errors import InputError
from . import calibration
from .classifier import CauseClassifier, near_duplicates
from .taxonomy import UNKNOWN, Taxonomy, packaged

FOLDS = 5
NEWEST = 0.3  # share that the temporal hold-out is tested on
FEWEST = 20  # labelled reports under which nothing is scored
DRAWS = 1000  # of the bootstrap over groups

RULES, HELD_OUT, TEMPORAL = "rules alone", "held-out folds", "newest 30 %"


@dataclass(frozen=True)
class Labelled:
    """Reports with the class that people gave them; all of equal length.

    `texts`: way of reading -> texts ('report' must be one; 'summary' is title and summary; 'masked' is without the
    report's own sections on its cause). `others`: further causes a person named. `group`: what may not be split. `at`:
    when it began (NaT allowed).
    `read`: whether the rules' author had read it; None where nothing is known.
    """

    ids: Sequence[str]
    texts: dict[str, list[str]]
    cause: Sequence[str]
    others: Sequence[tuple[str, ...]]
    group: Sequence[str]
    at: pd.Series
    read: Sequence[bool | None]


@dataclass(frozen=True)
class Evaluation:
    """`table`: one row per setting, way of reading and kind of row (`rows`: all, read, unread), with n, macro_f1 and its
    95 % interval (bootstrap over groups), majority_f1, accuracy, top2, accuracy_at_half, answered (share not 'unknown'),
    accuracy_answered, log_loss and brier beside prior_log_loss and prior_brier, ece beside ece_chance and ece_chance_95
    (a perfectly calibrated model at this n), and right_any (share where the answer is any cause a person named).
    `by_class`: n, precision, recall, f1 of each class in held-out folds. `curve`: risk against coverage there. `rows`:
    per report what a person said and what was answered (held-out folds, first repeat), probability, read mark."""

    table: pd.DataFrame
    by_class: pd.DataFrame
    curve: pd.DataFrame
    rows: pd.DataFrame
    text: str


@dataclass(frozen=True)
class _Answer:
    """Probabilities of `rows`, and which were answered; of one repeat."""

    rows: np.ndarray
    p: np.ndarray
    answered: np.ndarray


def evaluate(
    given: Labelled,
    taxonomy: Taxonomy | None = None,
    *,
    repeats: int = 5,
    seed: int = 0,
    teachers: dict[str, tuple[list[str], list[str]]] | None = None,
    progress: Callable[[str, int, int], None] = lambda step, done, of: None,
) -> Evaluation:
    """Score the classifier on labelled reports. `teachers`: name -> (texts, causes) of other reports, which the
    classifier learns from before it reads these: how it does on text of people it never saw. `progress` is told the way of
    reading, the deals of the folds done and of how many.

    Reports that people call 'unknown' have no right class: they are left out of the scores, and counted. Raises
    InputError under 20 labelled reports or 2 classes.
    """
    taxonomy = taxonomy or packaged()
    classes = np.array(sorted(taxonomy.names))
    cause = np.asarray(given.cause, dtype=str)
    used = np.flatnonzero(np.isin(cause, classes)).tolist()
    if len(used) < FEWEST or len(set(cause[used])) < 2:
        raise InputError(f"{len(used)} reports have a label: too few to score a classifier.",
                         remedy=f"Label {FEWEST} of two classes or more: `resilience label`.")  # fmt: skip
    y = np.searchsorted(classes, cause[used])
    texts = {way: np.array([part[i] for i in used], dtype=object) for way, part in given.texts.items()}
    group = _groups(list(texts["report"]), [str(given.group[i]) for i in used])
    others = [{*given.others[i], cause[i]} for i in used]
    score = _Scorer(classes, y, group, others, [given.read[i] for i in used], seed)
    rows: list[dict[str, object]] = []
    held: list[_Answer] = []
    for way, told in texts.items():
        if way != "report" and list(told) == list(texts["report"]):
            continue  # the same rows again would look like a second finding
        rules = CauseClassifier(taxonomy).fit([], [])
        rows += score(RULES, way, [_ask(rules, told, np.arange(len(y)))])
        for name, (other_texts, other_causes) in (teachers or {}).items():
            model = CauseClassifier(taxonomy).fit(other_texts, other_causes)
            rows += score(f"learnt from {name}", way, [_ask(model, told, np.arange(len(y)))])
        answers = []
        for i in range(repeats):
            progress(f"folds, {way}", i, repeats)
            answers.append(_fold(taxonomy, told, y, classes, group, seed + i))
        held = held or answers
        rows += score(HELD_OUT, way, answers)
        rows += score(TEMPORAL, way, _temporal(taxonomy, told, y, classes, given.at.iloc[used]))
    table = pd.DataFrame(rows)
    first = held[0]
    surest, right = first.p.max(axis=1), first.p.argmax(axis=1) == y
    curve = calibration.risk_coverage(surest, right)
    shown = pd.DataFrame(
        {
            "incident_id": [given.ids[i] for i in used],
            "said": cause[used],
            "answered": np.where(first.answered, classes[first.p.argmax(axis=1)], UNKNOWN),
            "likeliest": classes[first.p.argmax(axis=1)],
            "probability": surest,
            "read_by_author": [_read(given.read[i]) for i in used],
        }
    )
    points = pd.DataFrame({"threshold": curve.threshold, "coverage": curve.coverage, "risk": curve.risk})
    return Evaluation(table, score.by_class(held), points, shown, _text(table, given, len(used), taxonomy))


def at_coverages(curve: pd.DataFrame, wanted: Sequence[float] = (0.25, 0.5, 0.75, 1.0)) -> pd.DataFrame:
    """The points of an `Evaluation.curve` at the first coverage that reaches each of `wanted`."""
    rows = [curve[curve["coverage"] >= share - 1e-9].iloc[0] for share in wanted]
    return pd.DataFrame(rows)[["coverage", "threshold", "risk"]].reset_index(drop=True)


def held_out(
    texts: list[str], cause: list[str], group: list[str], taxonomy: Taxonomy, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n x k) of labelled texts from folds whose model saw nothing of their group, and the k classes."""
    classes = np.array(sorted(taxonomy.names))
    groups = _groups(texts, group)
    if len(set(groups)) < 2:  # nothing to learn from elsewhere
        return CauseClassifier(taxonomy).fit([], []).predict_proba(texts), classes
    y = np.searchsorted(classes, np.asarray(cause, dtype=str))
    return _fold(taxonomy, np.array(texts, dtype=object), y, classes, groups, seed).p, classes


def _read(mark: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[mark]


def _ask(model: CauseClassifier, texts: np.ndarray, at: np.ndarray) -> _Answer:
    p = model.predict_proba(list(texts[at]))
    return _Answer(at, p, p.max(axis=1) >= model.threshold_)


def _fold(
    taxonomy: Taxonomy, texts: np.ndarray, y: np.ndarray, classes: np.ndarray, group: np.ndarray, seed: int
) -> _Answer:
    """Every row answered by a model that never saw its group."""
    p, answered = np.zeros((len(y), len(classes))), np.zeros(len(y), dtype=bool)
    folds = StratifiedGroupKFold(min(FOLDS, len(set(group))), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a class with fewer reports than folds is no mistake here
        splits = list(folds.split(texts, y, group))
    for train, test in splits:
        found = _ask(CauseClassifier(taxonomy).fit(list(texts[train]), classes[y[train]]), texts, test)
        p[test], answered[test] = found.p, found.answered
    return _Answer(np.arange(len(y)), p, answered)


def _temporal(
    taxonomy: Taxonomy, texts: np.ndarray, y: np.ndarray, classes: np.ndarray, at: pd.Series
) -> list[_Answer]:
    """The newest reports, answered by what the older ones teach; nothing where dates are missing."""
    dated = np.flatnonzero(at.notna().to_numpy())
    newest = int(len(dated) * NEWEST)
    if newest < FEWEST:
        return []
    order = dated[np.argsort(at.to_numpy()[dated], kind="stable")]
    train, test = order[:-newest], order[-newest:]
    return [_ask(CauseClassifier(taxonomy).fit(list(texts[train]), classes[y[train]]), texts, test)]


def _groups(texts: list[str], given: list[str]) -> np.ndarray:
    """Group number of each row: given groups, joined where reports of two tell nearly the same story."""
    words = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", sublinear_tf=True)
    try:
        alike = near_duplicates(words.fit_transform(texts))
    except ValueError:  # nothing but stop words
        alike = np.arange(len(texts))
    named = pd.factorize(pd.Series(given))[0]
    n = len(texts)
    edges = np.concatenate([named, named.max(initial=0) + 1 + alike])
    links = coo_array(
        (np.ones(2 * n), (np.tile(np.arange(n), 2), n + edges)), shape=(n + edges.max() + 1,) * 2
    )
    return np.unique(connected_components(links, directed=False)[1][:n], return_inverse=True)[1]


class _Scorer:
    """Rows of the table for answers about the same reports."""

    def __init__(
        self, classes: np.ndarray, y: np.ndarray, group: np.ndarray, others: list[set[str]],
        read: list[bool | None], seed: int,
    ) -> None:  # fmt: skip
        self._classes, self._y, self._group, self._others, self._seed = classes, y, group, others, seed
        self._read = np.array([mark is True for mark in read])
        self._prior = calibration.prior(y, len(classes))

    def __call__(self, setting: str, way: str, answers: list[_Answer]) -> list[dict[str, object]]:
        if not answers:
            return []
        everything = np.ones(len(self._y), dtype=bool)
        kinds = {"all": everything}
        if self._read.any() and not self._read.all():
            kinds |= {"read": self._read, "unread": ~self._read}
        rows = []
        for kind, mask in kinds.items():
            if kind == "all" and self._read.all():
                kind = "all, read"
            cut = [
                _Answer(a.rows[mask[a.rows]], a.p[mask[a.rows]], a.answered[mask[a.rows]]) for a in answers
            ]
            if len(cut[0].rows):
                rows.append({"setting": setting, "text": way, "rows": kind, **self._figures(cut)})
        return rows

    def _figures(self, answers: list[_Answer]) -> dict[str, object]:
        y = self._y[answers[0].rows]
        every = [self._one(a) for a in answers]
        figures: dict[str, object] = {"n": len(y), "groups": len(set(self._group[answers[0].rows]))}
        f1 = float(np.mean([macro_f1(self._y[a.rows], a.p.argmax(axis=1)) for a in answers]))
        low, high = self._interval(answers)
        figures |= {"macro_f1": f1, "low": low, "high": high}
        figures["majority_f1"] = macro_f1(y, np.full(len(y), np.bincount(y).argmax()))
        figures |= {name: float(np.mean([one[name] for one in every])) for name in every[0]}
        prior = self._prior[answers[0].rows]
        figures |= {
            "prior_log_loss": calibration.log_loss(prior, y),
            "prior_brier": calibration.brier(prior, y),
        }
        mean, tail = calibration.ece_by_chance(answers[0].p.max(axis=1), self._seed)
        return figures | {"ece_chance": mean, "ece_chance_95": tail}

    def _one(self, answer: _Answer) -> dict[str, float]:
        y, p = self._y[answer.rows], answer.p
        best, surest = p.argmax(axis=1), p.max(axis=1)
        right = best == y
        any_cause = [self._classes[b] in self._others[i] for b, i in zip(best, answer.rows, strict=True)]
        return {
            "accuracy": right.mean(),
            "right_any": float(np.mean(any_cause)),
            "top2": (np.argsort(-p, axis=1, kind="stable")[:, :2] == y[:, None]).any(axis=1).mean(),
            "accuracy_at_half": calibration.risk_coverage(surest, right).accuracy_at(0.5),
            "answered": answer.answered.mean(),
            "accuracy_answered": right[answer.answered].mean() if answer.answered.any() else float("nan"),
            "log_loss": calibration.log_loss(p, y),
            "brier": calibration.brier(p, y),
            "ece": calibration.ece(surest, right),
        }

    def _interval(self, answers: list[_Answer]) -> tuple[float, float]:
        """95 % percentile interval of macro-F1 from resampling whole groups; the same draws in every repeat."""
        at = answers[0].rows
        group = np.unique(self._group[at], return_inverse=True)[1]
        groups, k = group.max() + 1, len(self._classes)
        rng = np.random.default_rng(self._seed)
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
        total = np.zeros(DRAWS)
        for a in answers:
            best, y = a.p.argmax(axis=1), self._y[a.rows]
            parts = np.zeros((3, groups, k))  # right, answered, true: of each group and class
            np.add.at(parts[0], (group[best == y], y[best == y]), 1)
            np.add.at(parts[1], (group, best), 1)
            np.add.at(parts[2], (group, y), 1)
            right, answered, true = (drawn @ part for part in parts)
            f1 = np.divide(
                2 * right, answered + true, out=np.zeros_like(right, dtype=float), where=answered + true > 0
            )
            total += np.where(true > 0, f1, 0).sum(axis=1) / np.maximum((true > 0).sum(axis=1), 1)
        low, high = np.quantile(total / len(answers), [0.025, 0.975])
        return float(low), float(high)

    def by_class(self, answers: list[_Answer]) -> pd.DataFrame:
        rows = []
        for i, name in enumerate(self._classes):
            said = [(a.p.argmax(axis=1) == i) for a in answers]
            true = [self._y[a.rows] == i for a in answers]
            both = float(np.mean([(s & t).sum() for s, t in zip(said, true, strict=True)]))
            n, n_said = int(true[0].sum()), float(np.mean([s.sum() for s in said]))
            rows.append([name, n, both / n_said if n_said else np.nan, both / n if n else np.nan,
                         2 * both / (n + n_said) if n else np.nan])  # fmt: skip
        table = pd.DataFrame(rows, columns=["failure_class", "n", "precision", "recall", "f1"])
        return table.sort_values(["n", "failure_class"], ascending=[False, True], ignore_index=True)


def macro_f1(y: np.ndarray, said: np.ndarray) -> float:
    """Mean F1 over the classes that are in `y`."""
    found = []
    for i in np.unique(y):
        both = ((y == i) & (said == i)).sum()
        found.append(2 * both / ((y == i).sum() + (said == i).sum()))
    return float(np.mean(found))


def _text(table: pd.DataFrame, given: Labelled, n: int, taxonomy: Taxonomy) -> str:
    held = table[(table["setting"] == HELD_OUT) & (table["text"] == "report")].iloc[0]
    says = [
        f"{n} labelled reports (taxonomy {taxonomy.version}). On reports it had not seen, the classifier's macro-F1 is "
        f"{held['macro_f1']:.2f} (95 % interval {held['low']:.2f} to {held['high']:.2f}); always answering the commonest "
        f"class gives {held['majority_f1']:.2f}. The right class is among its first two in {held['top2']:.0%}.",
    ]
    masked = table[(table["setting"] == HELD_OUT) & (table["text"] == "masked")]
    if given.texts.get("masked") == given.texts["report"]:
        says.append("No report has a section of its own on the cause, so masking it changes nothing.")
    elif len(masked):
        says.append(
            f"With the reports' own sections on their cause masked it is {masked['macro_f1'].iloc[0]:.2f}."
        )
    better = "better" if held["log_loss"] < held["prior_log_loss"] else "no better"
    says.append(
        f"Its probabilities are {better} than knowing only how common each class is (log loss {held['log_loss']:.2f} "
        f"against {held['prior_log_loss']:.2f}); calibration error {held['ece']:.2f}, where a perfect model would show up "
        f"to {held['ece_chance_95']:.2f} by chance at this n."
    )
    if unknown := sum(cause == UNKNOWN for cause in given.cause):
        says.append(f"{unknown} report(s) that people call unknown are not scored.")
    if not (table["setting"] == TEMPORAL).any():
        says.append("No temporal hold-out: too few labelled reports have a date.")
    scored = [mark for mark, cause in zip(given.read, given.cause, strict=True) if cause != UNKNOWN]
    if could := sum(mark is True for mark in scored):
        says.append(f"{could} of these could be read by the author of the rules: scores on them flatter.")
    return " ".join(says)
