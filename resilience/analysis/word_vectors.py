"""Texts as TF-IDF of their words and of the character sequences inside them, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

WORDS, CHARACTERS = (1, 2), (3, 5)  # words in a row, and characters in a row within a word
COMMON = (
    0.2  # share of texts above which a character sequence tells nothing ('ing'), and costs most of the time
)


class WordVectors:
    """TF-IDF (sublinear, unit length) of words and word pairs, then of character sequences within words.

    Each part keeps its `most` frequent terms. Sequences are cut out of each distinct word once and multiplied by how
    often the word stands in a text: the numbers of scikit-learn's `char_wb`, several times sooner.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._words = TfidfVectorizer(
            ngram_range=WORDS, stop_words="english", sublinear_tf=True, max_features=most, dtype=np.float32
        )
        self._weight = TfidfTransformer(sublinear_tf=True)

    def fit_transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Learn the terms of `texts` and give the rows of `texts`."""
        often, distinct = _counted(texts)
        cutter = _cutter()
        counts = (often @ cutter.fit_transform(distinct)).tocsr()
        seen = np.bincount(counts.indices, minlength=counts.shape[1])
        total = np.where(seen > COMMON * len(texts), 0, np.asarray(counts.sum(axis=0)).ravel())
        if not total.any():  # one short text: everything in it is common
            total = seen
        kept = np.argsort(-total, kind="stable")[: min(self._most, np.count_nonzero(total))]
        kept.sort()
        self._cutter = _cutter(list(cutter.get_feature_names_out()[kept]))
        return self._joined(self._words.fit_transform(texts), self._weight.fit_transform(counts[:, kept]))

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of `texts` in the terms that were learnt; others are passed over."""
        often, distinct = _counted(texts)
        counts = often @ self._cutter.transform(distinct)
        return self._joined(self._words.transform(texts), self._weight.transform(counts))

    @property
    def words(self) -> np.ndarray:
        """Names of the first columns, those of the words and word pairs."""
        return np.asarray(self._words.get_feature_names_out())

    @staticmethod
    def _joined(words: sparse.csr_matrix, parts: sparse.csr_matrix) -> sparse.csr_matrix:
        return sparse.hstack([words, parts], format="csr", dtype=np.float32)


def _cutter(vocabulary: list[str] | None = None) -> CountVectorizer:
    return CountVectorizer(
        analyzer="char_wb", ngram_range=CHARACTERS, lowercase=False, vocabulary=vocabulary, dtype=np.float32
    )


def _counted(texts: Sequence[str]) -> tuple[sparse.csr_matrix, list[str]]:
    """How often each distinct word (columns) stands in each text (rows), and the words."""
    place: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        columns += [place.setdefault(word, len(place)) for word in text.lower().split()]
        ends.append(len(columns))
    distinct = list(place) or ["nothing"]
    values = np.ones(len(columns), dtype=np.float32)
    often = sparse.csr_matrix((values, columns, ends), shape=(len(texts), len(distinct)))
    often.sum_duplicates()
    return often, distinct
