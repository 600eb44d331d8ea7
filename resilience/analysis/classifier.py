"""A text classifier for small, lopsided, badly labelled sets: phrases of a taxonomy first, words of the reports second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..errors import InputError
from . import calibration
from .taxonomy import UNKNOWN, Taxonomy, packaged
from .word_vectors import WordVectors

MIN_LABELS = 30  # below this there is too little to calibrate with, and the combination is used as it stands
PLENTY = 600  # labels of which a third, held out once, is enough to calibrate with
MOST_CHARACTERS = 100_000  # that are read of a text
FEW_ROWS = 700  # up to which the inner products of all rows are cheap
EARNED = 30  # labels at which the words of reports have earned half of the weight that they end with
EVIDENCE = (
    4.0  # phrases that a report's phrases weigh at most together: what repeats itself is not surer for it
)
MOST_TERMS = 8_000  # words, and as many character sequences, by frequency
TEMPERATURES = (0.5, 3.0)  # reports of one team share sentences, and held-out folds of them look too sure
THRESHOLDS = (0.25, 0.6)  # between which the risk-coverage curve of few reports is believed
SECOND = (
    0.2  # probability from which a second class is said; of 68 said so, 81 % had two causes (icco, held out)
)
ALIKE = 0.6  # cosine of two texts above which they tell the same story, and may not be split over folds


class CauseClassifier(ClassifierMixin, BaseEstimator):
    """Failure class of a report from its words; a scikit-learn classifier of texts.

    Two logistic regressions, one on counts of the taxonomy's phrases and one on TF-IDF of words and of characters,
    joined by the geometric mean of their probabilities (METHODS.md; the words reach their half as labels come in)
    and sharpened or softened by one temperature that is fitted on held-out folds: one number, so that a class with a
    single example cannot upset it. The taxonomy itself is training data: each class's phrases, definition and examples
    stand in as a few reports. So `fit([], [])` works and gives the rules as a prior, every class is known from the
    first label on, a class may have one example or none, and each label moves the result.

    Parameters: `taxonomy` (the packaged one where None); `threshold`, the probability under which `predict` says
    'unknown' (0 forces a class; None takes it from the risk-coverage curve of held-out folds, see `unknown_cost`);
    `prior`, how many reports a class's phrases weigh; `unknown_cost`, what an 'unknown' costs against a wrong class.
    Reports labelled 'unknown' teach nothing and are passed over. Nothing is random.

    Attributes: `classes_` (sorted names, without 'unknown'), `n_labels_`, `temperature_` (1 = not calibrated),
    `threshold_` (1 - unknown_cost where there are too few labels for a curve).
    """

    def __init__(
        self,
        taxonomy: Taxonomy | None = None,
        threshold: float | None = None,
        prior: float = 3.0,
        unknown_cost: float = 0.6,
    ) -> None:
        self.taxonomy = taxonomy
        self.threshold = threshold
        self.prior = prior
        self.unknown_cost = unknown_cost

    def fit(
        self, texts: Sequence[str], labels: Sequence[str], sample_weight: Sequence[float] | None = None
    ) -> Self:
        """Learn from `texts` and their `labels` (equally many, possibly none). InputError for an unknown class."""
        taxonomy = self.taxonomy or packaged()
        self.classes_ = np.array(sorted(taxonomy.names))
        given = np.asarray(labels, dtype=str)
        if len(given) != len(texts):
            raise InputError(
                f"{len(texts)} texts came with {len(given)} labels.", remedy="Give one label per text."
            )
        foreign = sorted(set(given) - {*self.classes_, UNKNOWN})
        if foreign:
            raise InputError(
                f"The taxonomy (version {taxonomy.version}) has no class {', '.join(foreign)}.",
                remedy=f"It has: {', '.join(self.classes_)}, {UNKNOWN}.",
            )
        kept = np.flatnonzero(given != UNKNOWN)
        weight = np.ones(len(given)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        y, weight = np.searchsorted(self.classes_, given[kept]), weight[kept]
        self.n_labels_ = len(kept)
        stand_ins: list[str] = []
        owners: list[int] = []
        for entry in taxonomy.classes:
            told = (entry.definition, *entry.examples, " ".join(entry.phrases).replace("*", " "))
            stand_ins += told
            owners += [int(np.searchsorted(self.classes_, entry.name))] * len(told)
        own = _read([texts[int(i)] for i in kept])
        self._vectors = WordVectors(MOST_TERMS)
        every = self._vectors.fit_transform([*stand_ins, *own])
        self._taxonomy_words, words = every[: len(stand_ins)], every[len(stand_ins) :]
        self._taxonomy_y, phrases = np.array(owners), self._phrases(own)
        with threadpool_limits(
            1
        ):  # threads gain nothing at this size, and cost several times over on a busy machine
            self._models = (
                LogisticRegression(C=3.0, max_iter=500),
                LogisticRegression(C=10.0, max_iter=300, tol=1e-3),
            )
            self.temperature_, found = self._calibrate(phrases, words, y, weight)
            self._train(phrases, words, y, weight)
        self.threshold_ = found if self.threshold is None else self.threshold
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probability of each of `classes_` (columns) that it is the main cause, for each text (rows)."""
        check_is_fitted(self)
        own = _read(texts)
        if not own:
            return np.empty((0, len(self.classes_)))
        scores = self._scores(self._phrases(own), self._vectors.transform(own))
        return _softmax(scores / self.temperature_)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The most probable class of each text, or 'unknown' where its probability is under the threshold."""
        found = self.predict_proba(texts)
        best = self.classes_[found.argmax(axis=1)] if len(found) else np.empty(0, dtype=str)
        return np.where(found.max(axis=1, initial=0) < self.threshold_, UNKNOWN, best)

    def predict_second(self, texts: Sequence[str]) -> np.ndarray:
        """The second cause of each text that seems to have two, or ''; never the class that `predict` gives."""
        return self.second_of(self.predict_proba(texts))

    def second_of(self, probabilities: np.ndarray) -> np.ndarray:
        """`predict_second` for rows that `predict_proba` gave."""
        if not len(probabilities):
            return np.empty(0, dtype=str)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        rows = np.arange(len(order))
        said = (probabilities[rows, order[:, 1]] >= SECOND) & (
            probabilities[rows, order[:, 0]] >= self.threshold_
        )
        return np.where(said, self.classes_[order[:, 1]], "")

    def explain(self, texts: Sequence[str], classes: Sequence[str], top: int = 5) -> list[str]:
        """For each text, the words in it that speak most for the class named beside it, joined by '; '."""
        check_is_fitted(self)
        taxonomy = self.taxonomy or packaged()
        own = _read(texts)
        names = self._vectors.words
        vectors = self._vectors.transform(own)[:, : len(names)] if own else []
        told = []
        for i, (hits, name) in enumerate(zip(taxonomy.hits_of(own), classes, strict=True)):
            found: dict[str, float] = {}
            for hit in hits:
                if hit.failure_class == name:
                    found[hit.words] = found.get(hit.words, 0.0) + hit.weight
            ranked = sorted(found, key=lambda words: (-found[words], words))
            if name in self.classes_ and self.n_labels_:
                row = vectors[i]
                pull = row.data * self._word_weights(str(name))[row.indices]
                strong = [
                    str(names[row.indices[j]])
                    for j in np.argsort(-pull, kind="stable")[:top]
                    if pull[j] > 0.1
                ]
                ranked += [words for words in strong if not any(words in seen for seen in ranked)]
            told.append("; ".join(ranked[:top]))
        return told

    def _word_weights(self, name: str) -> np.ndarray:
        """What each word speaks for the class `name`; of two classes the model holds one row, for the second."""
        rows = self._models[1].coef_
        place = int(np.searchsorted(self.classes_, name))
        return np.asarray(rows[place] if len(rows) > 1 else rows[0] * (1 if place else -1))

    def _phrases(self, texts: Sequence[str]) -> np.ndarray:
        place = {name: i for i, name in enumerate(self.classes_)}
        counts = np.zeros((len(texts), len(self.classes_)))
        for row, hits in enumerate((self.taxonomy or packaged()).hits_of(texts)):
            for hit in hits:
                counts[row, place[hit.failure_class]] += hit.weight
        total = counts.sum(axis=1, keepdims=True)
        return np.log1p(counts * np.minimum(1, EVIDENCE / np.maximum(total, EVIDENCE)))

    def _train(
        self, phrases: np.ndarray, words: sparse.csr_matrix, y: np.ndarray, weight: np.ndarray
    ) -> None:
        size = len(self.classes_)
        clear = np.eye(size) * np.log1p(
            2.0
        )  # a report with one phrase, in a sentence about causes, of one class only
        by_phrase, by_word = self._models
        by_phrase.fit(
            np.vstack([clear, clear, clear, phrases]),
            np.r_[np.tile(np.arange(size), 3), y],
            np.r_[np.full(3 * size, self.prior / 3), weight],
        )
        _fit_wide(
            by_word,
            sparse.vstack([self._taxonomy_words, words], format="csr"),
            np.r_[self._taxonomy_y, y],
            np.r_[np.full(len(self._taxonomy_y), self.prior / 3), weight],
        )

    def _scores(self, phrases: np.ndarray, words: sparse.csr_matrix) -> np.ndarray:
        by_phrase, by_word = self._models
        share = self.n_labels_ / (self.n_labels_ + EARNED) / 2
        return (1 - share) * by_phrase.predict_log_proba(phrases) + share * by_word.predict_log_proba(words)

    def _calibrate(
        self, phrases: np.ndarray, words: sparse.csr_matrix, y: np.ndarray, weight: np.ndarray
    ) -> tuple[float, float]:
        """Temperature with the least log loss on held-out folds that keep near-duplicates together, and the threshold
        from the risk-coverage curve of these folds."""
        group = near_duplicates(words[:, : len(self._vectors.words)]) if len(y) >= MIN_LABELS else y[:0]
        if len(set(group)) < 3:
            return 1.0, 1 - self.unknown_cost
        folds = list(GroupKFold(3, shuffle=True, random_state=0).split(phrases, groups=group))
        if len(y) >= PLENTY:
            folds = folds[:1]
        scores = np.empty((len(y), len(self.classes_)))
        for train, test in folds:
            self._train(phrases[train], words[train], y[train], weight[train])
            scores[test] = self._scores(phrases[test], words[test])
        held = np.sort(np.concatenate([test for _, test in folds]))
        scores, y, weight = scores[held], y[held], weight[held]

        def loss(temperature: float) -> float:
            return calibration.log_loss(_softmax(scores / temperature), y, weight)

        temperature = float(optimize.minimize_scalar(loss, bounds=TEMPERATURES, method="bounded").x)
        found = _softmax(scores / temperature)
        curve = calibration.risk_coverage(found.max(axis=1), found.argmax(axis=1) == y, weight)
        return temperature, calibration.threshold(curve, self.unknown_cost, THRESHOLDS)


def _read(texts: Sequence[str]) -> list[str]:
    return [str(text)[:MOST_CHARACTERS] for text in texts]


def _fit_wide(model: LogisticRegression, x: sparse.csr_matrix, y: np.ndarray, weight: np.ndarray) -> None:
    """Fit `model` on rows far wider than they are many, several times sooner and with the same result.

    Under an L2 penalty the weights lie in the span of the rows: the fit runs in as many dimensions as there are rows,
    on coordinates with the same inner products, and is turned back.
    """
    if x.shape[0] > FEW_ROWS:
        model.fit(x, y, weight)
        return
    square, axes = np.linalg.eigh((x @ x.T).toarray().astype(float))
    spanned = square > 1e-9 * square[-1]
    length = np.sqrt(square[spanned])
    model.fit(axes[:, spanned] * length, y, weight)
    model.coef_ = (model.coef_ / length) @ axes[:, spanned].T @ x
    model.n_features_in_ = x.shape[1]


def near_duplicates(vectors: sparse.csr_matrix) -> np.ndarray:
    """Group number of each row of TF-IDF `vectors`: rows that tell nearly the same story share one."""
    if not vectors.shape[0]:
        return np.empty(0, dtype=int)
    unit = normalize(vectors)
    alike = (unit @ unit.T) > ALIKE
    return connected_components(alike, directed=False)[1]


def _softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
