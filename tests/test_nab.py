"""The scorer scores as NAB does, and the onset scores keep what they are said to reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import nab


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "nab"


def test_windowed_gaussian_scores_what_is_published_of_it(folder: Path) -> None:
    files = nab.read(folder)
    given = {file.name: nab.windowed_gaussian(file) for file in files}
    for name, scores in nab.published(folder, files).items():
        np.testing.assert_allclose(given[name], scores, atol=6e-7)
    scored = {title: round(value, 1) for title, value in nab.score(files, given, folder).items()}
    assert scored == {"standard": 45.8, "low FP": 30.4, "low FN": 55.3}


def test_onset_scores_at_least_66(folder: Path) -> None:
    files = nab.read(folder)
    assert len(files) == 30
    assert nab.score(files, {file.name: nab.ours(file) for file in files}, folder)["standard"] >= 66


def test_nothing_scores_0_and_the_first_row_of_every_window_100(folder: Path) -> None:
    files = nab.read(folder)
    silent = {file.name: np.zeros(len(file.value)) for file in files}
    assert nab.score(files, silent, folder)["standard"] == 0
    perfect = {name: scores.copy() for name, scores in silent.items()}
    for file in files:
        for first, _ in file.windows:
            perfect[file.name][first] = 1
    assert nab.score(files, perfect, folder)["standard"] == pytest.approx(100)


def test_what_a_detection_is_worth() -> None:
    """A file of 100 rows, probation 15, one window from row 40 to 59."""
    at = pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC")
    file = nab.Labelled("corpus/file.csv", at, np.zeros(100), ((40, 59),))
    window, worth = nab._gains(file, tp=1.0, fp=0.11)
    assert window[39:41].tolist() == [-1, 0]
    assert worth[20] == -0.11
    assert worth[40] == pytest.approx(1)
    assert worth[59] == pytest.approx((2 / (1 + np.exp(-5 / 20)) - 1) / (2 / (1 + np.exp(-5)) - 1))
    assert worth[60] == pytest.approx(0.11 * (2 / (1 + np.exp(5 / 19)) - 1))
    assert nab._probation(100) == 15
    assert nab._probation(20_000) == 750
