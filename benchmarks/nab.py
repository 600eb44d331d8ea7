"""Onset scores on the Numenta Anomaly Benchmark, scored as NAB scores: `python -m benchmarks.nab [FOLDER]`.

FOLDER holds NAB's `data`, `labels/combined_windows.json` and `profiles.json` (default: ../shared/data/nab). Scoring follows
Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms" (ICMLA 2015): one threshold over all files, the
best for the profile; within a labelled window the earliest detection counts, elsewhere every one costs; 15 % of a file, at
most 750 rows, is probation. 0 is a detector that says nothing, 100 a perfect one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from pathlib import Path

import numpy as np
import pandas as pd

from resilience.analysis import onset

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "nab"
PROBATION, PROBATION_ROWS = 0.15, 5000  # 15 % of a file, of 5000 rows at most
PROFILES = {"standard": "standard", "low FP": "reward_low_FP_rate", "low FN": "reward_low_FN_rate"}


@dataclass(frozen=True)
class Labelled:
    """One file of the benchmark: points in its order, and the row ranges (first, last), inclusive, of its windows."""

    name: str
    at: pd.DatetimeIndex
    value: np.ndarray
    windows: tuple[tuple[int, int], ...]

    @property
    def corpus(self) -> str:
        return self.name.split("/")[0]


def read(folder: Path = FOLDER) -> list[Labelled]:
    """Every labelled file that is there; labels of files that are not are left aside."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    found = []
    for path in sorted((folder / "data").rglob("*.csv")):
        name = path.relative_to(folder / "data").as_posix()
        table = pd.read_csv(path)
        at = pd.DatetimeIndex(pd.to_datetime(table["timestamp"]), tz="UTC")
        windows = []
        for low, high in labels[name]:
            inside = np.flatnonzero(
                (at >= pd.Timestamp(low, tz="UTC")) & (at <= pd.Timestamp(high, tz="UTC"))
            )
            windows.append((int(inside[0]), int(inside[-1])))
        found.append(Labelled(name, at, table["value"].to_numpy(dtype=float), tuple(windows)))
    return found


def score(files: list[Labelled], given: Mapping[str, np.ndarray], folder: Path = FOLDER) -> dict[str, float]:
    """Normalised score of each profile, at its best threshold over `files`. `given`: a score per row, by file."""
    profiles = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
    found = {}
    for title, key in PROFILES.items():
        cost = profiles[key]["CostMatrix"]
        found[title] = _normalised(files, given, cost["tpWeight"], cost["fpWeight"], cost["fnWeight"])
    return found


def _normalised(
    files: list[Labelled], given: Mapping[str, np.ndarray], tp: float, fp: float, fn: float
) -> float:
    """The sweep over thresholds: each detection changes the total by what it costs, or by what it betters its window."""
    parts = []
    offset = 0
    for file in files:
        window, gain = _gains(file, tp, fp)
        kept = slice(_probation(len(file.value)), None)
        numbered = np.where(window >= 0, window + offset, -1)
        parts.append(np.stack([np.asarray(given[file.name], dtype=float)[kept], numbered[kept], gain[kept]]))
        offset += len(file.windows)
    scores, window, gain = np.concatenate(parts, axis=1)
    order = np.argsort(-scores, kind="stable")
    best = np.full(offset, -fn)
    total = null = -fn * offset
    highest = total
    last = np.nan
    for i in order:
        if scores[i] != last:  # a threshold takes all rows of equal score together
            highest, last = max(highest, total), scores[i]
        if (place := int(window[i])) < 0:
            total += gain[i]
        elif gain[i] > best[place]:
            total += gain[i] - best[place]
            best[place] = gain[i]
    highest = max(highest, total)
    return float(100 * (highest - null) / (tp * offset - null))


def _probation(rows: int) -> int:
    return int(np.floor(PROBATION * min(rows, PROBATION_ROWS)))


def _gains(file: Labelled, tp: float, fp: float) -> tuple[np.ndarray, np.ndarray]:
    """Per row: which window it lies in, or -1; and what a detection there is worth."""
    rows = np.arange(len(file.value))
    window, worth = np.full(len(rows), -1), np.full(len(rows), -fp)
    for number, (first, last) in enumerate(file.windows):
        width = last - first + 1
        after = rows > last  # until the next window, which overwrites it
        worth[after] = fp * _sigmoid((rows[after] - last) / (width - 1))
        inside = (rows >= first) & (rows <= last)
        window[inside] = number
        worth[inside] = tp * _sigmoid((rows[inside] - last - 1) / width) / _sigmoid(np.array(-1.0))
    return window, worth


def _sigmoid(place: np.ndarray) -> np.ndarray:
    """NAB's scaled sigmoid of the place relative to the end of a window: 1 far before, -1 from three widths after."""
    return np.where(place > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(place, 3))) - 1)


def published(
    folder: Path, files: list[Labelled], detector: str = "windowedGaussian"
) -> dict[str, np.ndarray]:
    """Scores that NAB publishes for a detector, by file."""
    found = {}
    for file in files:
        table = pd.read_csv(folder / "results" / detector / file.name)
        found[file.name] = table["anomaly_score"].to_numpy(dtype=float)
    return found


def windowed_gaussian(file: Labelled, size: int = 6400, step: int = 100) -> np.ndarray:
    """NAB's baseline with the twelve digits of its results: one minus the tail of a normal fitted to the rows before.

    Results that were handed on with six digits tie where they differ by less, and score 42.4 / 14.2 / 53.5 on the 30
    files; to six digits these are equal to them. `size` rows are kept, renewed `step` at a time once they are full.
    """
    value, found = file.value, np.zeros(len(file.value))
    for row in range(1, len(found)):
        end = row if row <= size else size + (row - size) // step * step
        known = value[max(end - size, 0) : end]
        z = abs(value[row] - known.mean()) / (known.std() or 1e-6)
        found[row] = 1 - 0.5 * erfc(z / sqrt(2))
    return found.round(12)


def ours(file: Labelled) -> np.ndarray:
    """Scores of the package, with its own setting."""
    return onset.scores(file.value, file.at)


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    if not (folder / "data").is_dir():
        print(f"NAB is not at {folder.name}: name a folder with its data, labels and profiles. Left out.")
        return 0
    files = read(folder)
    by_detector = {"onset": {file.name: ours(file) for file in files}}
    if (folder / "results" / "windowedGaussian").is_dir():
        by_detector["windowed Gaussian"] = {file.name: windowed_gaussian(file) for file in files}
        by_detector["the same with six digits, as given"] = published(folder, files)
    print(
        f"NAB, {len(files)} files, {sum(len(f.windows) for f in files)} windows; no training, one setting for all files."
    )
    print(f"{'':34}{''.join(f'{title:>10}' for title in PROFILES)}")
    for name, given in by_detector.items():
        print(f"{name:34}{''.join(f'{value:10.1f}' for value in score(files, given, folder).values())}")
        for corpus in sorted({file.corpus for file in files}):
            part = [file for file in files if file.corpus == corpus]
            values = "".join(f"{value:10.1f}" for value in score(part, given, folder).values())
            print(f"  {corpus:32}{values}   (threshold of its own, {len(part)} files)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
