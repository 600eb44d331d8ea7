"""How far points lie from what was expected of them, in units of how far they usually lay in the weeks before.

Everything is measured block by block (`baseline.Blocks`); nothing at or after a block enters what its points are held to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from . import baseline

MIN_POINTS = 50  # deviations that must be known before what is usual is
STEP_BLOCKS, EARLY_BLOCKS = (
    12,
    72,
)  # what is usual is measured anew at each step; steps of four blocks in the first days
MEMORY_STEPS = 112  # that are looked back to: eight weeks of hours
ALIKE_STEPS = 28  # of deviations from an hour of the week that are enough to measure against: two weeks
OFFSET = 0.05  # share of the level added before logarithms, so that zero stays finite
ROUNDING = 1e-9  # of what was expected: deviations below it are none
PIECE = 32_768  # points that are worked on at a time, so that what is made of them stays in the cache


@dataclass(frozen=True)
class _Measure:
    """A deviation: `table` of points less `base` of their block, where `usable` and, if it has `gaps`, where not null."""

    table: np.ndarray
    base: np.ndarray
    usable: np.ndarray
    gaps: bool


@dataclass(frozen=True)
class _Piece:
    """Some blocks: their points; the block of each, counted from the first, or None where all hold equally many."""

    blocks: slice
    points: slice
    of: np.ndarray | None

    def wide(self, per_point: np.ndarray) -> np.ndarray:
        """A view of its points: a row for each block where these are alike, so that nothing has to be looked up."""
        own = per_point[self.points]
        return own.reshape(self.blocks.stop - self.blocks.start, -1) if self.of is None else own

    def each(self, per_block: np.ndarray) -> np.ndarray:
        """What each point has of its block, to go with `wide`."""
        own = per_block[self.blocks]
        return own[:, None] if self.of is None else own[self.of]

    def squares(self, measure: _Measure) -> np.ndarray:
        """Squared deviations, 0 where there is no point; as `wide`."""
        off = self.wide(measure.table) - self.each(measure.base)
        if measure.gaps:
            off[np.isnan(off)] = 0.0
        return np.multiply(off, off, out=off)

    def sums(self, wide: np.ndarray, into: np.ndarray) -> None:
        """Sum of `wide` per block."""
        if self.of is None:
            np.add.reduce(wide, axis=1, out=into)
        else:
            into[:] = np.bincount(self.of, wide, minlength=len(into))


def ratios(value: np.ndarray, cut: baseline.Blocks) -> np.ndarray:
    """Per point, the quadratic mean of its deviations, each over its usual size; 0 where none is known.

    Deviations are those from level and season (`baseline.expected`), of the value and, where value and level are positive,
    of its logarithm. `value`: in order of time, null where there is none (what is returned there has no meaning).
    """
    level, season, by_week = baseline.expected(cut)
    pieces = list(_pieces(cut))
    measures = _measures(value, cut, level, season)
    sums, held = _sums(measures, cut, pieces)
    weights = _weights(measures, sums, held, by_week)
    number = np.add.reduce(weights > 0, axis=0, dtype=np.int8)
    np.maximum(number, 1, out=number)
    found = np.empty(len(value))
    if (cut.sizes == 1).all():  # each block is a point, and its sums are the squares
        np.divide(np.einsum("ij,ij->j", sums, weights), number, out=found)
        pieces = []
    for piece in pieces:
        total = np.zeros_like(piece.wide(found))
        for measure, weight in zip(measures, weights, strict=True):
            squares = piece.squares(measure)
            squares *= piece.each(weight)
            total += squares
        np.divide(total, piece.each(number), out=piece.wide(found))
    below = np.flatnonzero(value < 0)  # these have no logarithm
    plain = (weights[::2, cut.of[below]] > 0).sum(axis=0)
    found[below] *= number[cut.of[below]] / np.maximum(plain, 1)
    return np.sqrt(found, out=found)


def _measures(
    value: np.ndarray, cut: baseline.Blocks, level: np.ndarray, season: np.ndarray
) -> list[_Measure]:
    """Deviations from level and from season, each plain and then logarithmic."""
    positive = level > 0
    offset = np.where(positive, OFFSET * level, 1.0)
    shifted = value + np.repeat(offset, cut.sizes)
    shifted[value < 0] = np.nan
    logarithm = np.log(shifted, out=shifted)
    gaps, log_gaps = bool(np.isnan(value).any()), bool(np.isnan(logarithm).any())
    found = []
    for base in (level, season):
        known = ~np.isnan(base)
        plain = np.where(known, base, 0.0)
        found.append(_Measure(value, plain, known, gaps))
        log = np.log(np.maximum(plain, 0.0) + offset)
        found.append(_Measure(logarithm, log, known & positive, log_gaps))
    return found


def _pieces(cut: baseline.Blocks) -> Iterator[_Piece]:
    """Blocks of together about PIECE points; the first block, which is mostly cut short, for itself."""
    edges = sorted({0, 1, *cut.of[::PIECE].tolist(), len(cut.sizes)})
    spans = pairwise(np.searchsorted(cut.of, edges).tolist())
    for (low, high), span in zip(pairwise(edges), spans, strict=True):
        points, sizes = slice(*span), cut.sizes[low:high]
        alike = bool((sizes == max(sizes[0], 1)).all())
        yield _Piece(slice(low, high), points, None if alike else cut.of[points] - low)


def _sums(
    measures: list[_Measure], cut: baseline.Blocks, pieces: list[_Piece]
) -> tuple[np.ndarray, np.ndarray]:
    """Per measure and block, the sum of squared deviations and of how many; of how many in one row, where all are alike."""
    count = len(cut.sizes)
    usable = np.array([measure.usable for measure in measures])
    sums = np.empty((len(measures), count))
    for row, measure in zip(sums, measures, strict=True):
        for piece in pieces:
            piece.sums(piece.squares(measure), row[piece.blocks])
    sums[~usable] = 0.0
    if not any(measure.gaps for measure in measures) and (usable == usable[0]).all():
        return sums, np.where(usable[:1], cut.sizes, 0.0)
    known = [cut.of[~np.isnan(measure.table)] for measure in measures]
    held = [np.bincount(of, minlength=count) for of in known]
    return sums, np.where(usable, held, 0.0)


def _weights(measures: list[_Measure], sums: np.ndarray, held: np.ndarray, by_week: np.ndarray) -> np.ndarray:
    """Per measure and block, 1 over the usual square of the deviation before it; 0 where that is not known."""
    count = len(by_week)
    early = min(EARLY_BLOCKS, count)
    begins = np.concatenate([np.arange(0, early, 4), np.arange(early, count, STEP_BLOCKS)])
    weekly = np.logical_and.reduceat(by_week, begins)
    usual = _usual(np.add.reduceat(sums, begins, axis=1), np.add.reduceat(held, begins, axis=1), weekly)
    level, season = measures[0].base, measures[2].base
    usual[0] = np.maximum(usual[0], (ROUNDING * level[begins]) ** 2)  # one level a day
    usual[2] = np.maximum(usual[2], (ROUNDING * np.maximum.reduceat(np.abs(season), begins)) ** 2)
    found = np.repeat(1 / np.maximum(usual, 1e-24), np.diff(begins, append=count), axis=1)
    for own, measure in zip(found, measures, strict=True):
        own[~measure.usable] = 0.0
    return found


def _usual(sums: np.ndarray, numbers: np.ndarray, weekly: np.ndarray) -> np.ndarray:
    """Per measure and step, the mean square of the deviations before it; infinite where fewer than MIN_POINTS are known.

    Deviations from an hour of the week (the last two measures, where `weekly`) are measured against such, once there are
    two weeks of them: those of the first weeks, from the hour of the day or from the level, are larger. `numbers` may be
    one row for all measures.
    """
    found = _trailing(sums, numbers)
    end = int(np.flatnonzero(~weekly)[-1]) + MEMORY_STEPS + 1  # later, all that is looked back to is weekly
    like, numbers = weekly[:end], numbers[-2:, :end]
    alike = _trailing(sums[2:, :end] * like, numbers * like)
    enough = np.cumsum(like & (numbers > 0), axis=1) > ALIKE_STEPS
    found[2:, :end] = np.where(like & enough & np.isfinite(alike), alike, found[2:, :end])
    return found


def _trailing(sums: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Mean over the MEMORY_STEPS before each, row by row; infinite where it is of fewer than MIN_POINTS.

    It is made of sums only: in a difference of two running totals, one value that is larger than all others by many orders
    would never be forgotten.
    """
    values = np.concatenate([sums, numbers])
    rows, count = values.shape
    padded = np.zeros((rows, -(-count // MEMORY_STEPS) * MEMORY_STEPS))
    padded[:, :count] = values
    spans = padded.reshape(rows, -1, MEMORY_STEPS)
    since = np.cumsum(spans, axis=2).reshape(rows, -1)  # from the beginning of its span
    rest = np.cumsum(spans[..., ::-1], axis=2)[..., ::-1]  # to the end of its span
    rest[..., 0] = 0.0  # of a whole span, which is in the other sum
    before = np.zeros_like(values)
    before[:, 1:] = since[:, : count - 1]
    before[:, MEMORY_STEPS:] += rest.reshape(rows, -1)[:, : max(count - MEMORY_STEPS, 0)]
    total, known = before[: len(sums)], before[len(sums) :]
    return np.where(known < MIN_POINTS, np.inf, total / np.maximum(known, 1))
